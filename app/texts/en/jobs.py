"""English texts: work in a process of its own."""

TEXTS: dict[str, str] = {
    "job.stop": "Stop",
    "job.starting": "Starting …",
    "job.waiting": "Waiting for the device, which another job holds …",
    "job.eta": "about {time} left",
    "job.stopped": "Stopped. What was done so far is kept; starting again goes on there.",
}
