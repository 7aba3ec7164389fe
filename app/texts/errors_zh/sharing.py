"""多人共用的页面拒绝什么，以及 Space 保存什么。"""

MESSAGES: dict[str, tuple[str, str]] = {
    "visitor.unknown": ("本页面已无法确认你是谁。", "请刷新页面；如果登录过，请重新登录。"),
    "quota.runs": ("你有 {count} 个训练正在进行，这里同时最多 {bound} 个。", "请等它结束，或先停止它。"),
    "quota.minutes": (
        "过去 24 小时你已用去 {bound} 分钟训练时间中的 {used} 分钟。",
        "请稍后再来，或在自己的电脑上运行本应用。",
    ),
    "quota.disk": (
        "你的项目占用 {used} MB，每位访客最多 {bound} MB。",
        "请删除一些训练或项目，或在自己的电脑上运行本应用。",
    ),
    "quota.projects": ("你有 {count} 个项目，这里最多 {bound} 个。", "请先删除一个项目。"),
    "quota.queue": ("已有 {count} 个训练在排队。", "请等排队的训练少一些再来。"),
    "quota.full": ("本页面的磁盘快满了（剩余 {free} MB）。", "请稍后再来，或在自己的电脑上运行本应用。"),
    "quota.setting": (
        "{text!r} 不是访客限额。",
        "例如：TASKLOOM_QUOTA=runs=1,minutes=120,disk_mb=2000,projects=20。",
    ),
    "mirror.no_folder": (
        "备份文件夹 {path} 无法写入（{detail}）。",
        "请挂载该文件夹，或用 TASKLOOM_BUCKET 指定另一个文件夹。",
    ),
}
