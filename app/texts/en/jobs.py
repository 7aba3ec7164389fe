"""English texts: work in a process of its own."""

TEXTS: dict[str, str] = {
    "job.stop": "Stop",
    "job.starting": "Starting …",
    "job.waiting": "Waiting for the device, which {holder} is using …",
    "device.holder": "{name} ({purpose})",
    "device.somebody": "another person's run",
    "device.other": "another job",
    "device.slower": "{holder} is using this machine's device: answers come, but more slowly until it has ended.",
    "job.eta": "about {time} left",
    "job.stopped": "Stopped. What was done so far is kept; starting again goes on there.",
}
