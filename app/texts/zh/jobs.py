"""Chinese texts: work in a process of its own."""

TEXTS: dict[str, str] = {
    "job.stop": "停止",
    "job.starting": "正在启动……",
    "job.waiting": "正在等待设备，{holder}正在使用……",
    "device.holder": "{name}（{purpose}）",
    "device.somebody": "别人的训练",
    "device.other": "别的工作",
    "device.slower": "{holder}正在使用本机的设备：可以照常提问，但在它结束之前回答会慢一些。",
    "job.eta": "大约还需 {time}",
    "job.stopped": "已停止。做完的部分会保留，再次启动会接着做。",
}
