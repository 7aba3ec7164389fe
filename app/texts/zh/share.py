"""Chinese texts: Share."""

TEXTS: dict[str, str] = {
    "share.lead": "把训练好的模型带走。每次导出都会重新加载并核对后才提供下载；其中不含任务的数据行。",
    "share.none_title": "还没有训练好的模型",
    "share.none_text": "请在页面顶部选择一次已完成的训练，或者先训练一次。",
    "share.kind": "导出什么",
    "share.kind_lora": "一个任务的适配器（LoRA）",
    "share.kind_merged": "一个任务的完整模型",
    "share.kind_run": "全部内容，供另一个 Taskloom 使用",
    "share.about_lora": "标准 PEFT 格式的小文件，其他软件可以加到基础模型上。",
    "share.about_merged": "普通的模型文件夹，已内含一个任务的技能；文件较大，但不再需要其他东西。",
    "share.about_run": "所有任务及其技能放在一个文件夹里。另一个 Taskloom 可以打开它，按任何一个任务回答。",
    "share.task": "任务",
    "share.task_help": "导出的模型按这个任务回答。",
    "share.make": "生成文件",
    "share.file": "可以下载",
    "share.card": "随附的模型卡",
    "share.commands": "命令行",
    "share.commands_note": "与 OpenAI 兼容的服务地址、终端里的对话，以及同样的导出：",
}
