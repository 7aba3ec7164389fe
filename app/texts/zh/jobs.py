"""Chinese texts: work in a process of its own."""

TEXTS: dict[str, str] = {
    "job.stop": "停止",
    "job.starting": "正在启动……",
    "job.waiting": "设备正被别的工作占用，正在等待……",
    "job.eta": "大约还需 {time}",
    "job.stopped": "已停止。做完的部分会保留，再次启动会接着做。",
}
