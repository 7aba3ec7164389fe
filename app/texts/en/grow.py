"""English texts: Add a task."""

TEXTS: dict[str, str] = {
    "grow.lead": "Teaches a trained model one more task from 5 to 50 examples. The skills stay as they are; only how the new task mixes them is learned. The other tasks keep answering exactly as before.",
    "grow.none_title": "No trained run is chosen",
    "grow.none_text": "Train a run first, or choose a finished one on top. Then bring the file of the new task to the Tasks screen.",
    "grow.task": "New task",
    "grow.task_help": "A task of this project that the run has not learned.",
    "grow.no_task": "The run knows every task of this project. Add the file of the new task on the Tasks screen first.",
    "grow.counts": "Rows to try",
    "grow.draws": "Draws",
    "grow.draws_help": "How often rows are drawn for each number; the spread gives the band.",
    "grow.steps": "Steps",
    "grow.steps_help": "Training steps of every trial.",
    "grow.private": "Also a private skill",
    "grow.private_help": "Learns a skill of the task's own as well: more can be learned, more rows are needed.",
    "grow.start": "Add the task",
    "grow.open": "Open the run with the new task",
    "grow.axis": "rows to learn from",
    "grow.outcome": "{task}: what a few rows bring",
    "grow.nearest": "Nearest known tasks",
    "grow.nearest_note": "How well the new task's answers fit when it is answered the way a known task is; smaller is nearer.",
    "grow.loss": "Loss (nats a token)",
}
