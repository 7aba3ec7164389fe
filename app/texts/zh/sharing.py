"""中文文本：共用页面和 Space 的提示。"""

TEXTS: dict[str, str] = {
    "home.forgets": "这个 Space 重启后会清空一切。请下载想保留的内容，或挂载存储桶（TASKLOOM_BUCKET）。"
}
