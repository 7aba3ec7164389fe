"""Wording of the runs room's errors, problems and status lines."""

MESSAGES: dict[str, tuple[str, str]] = {
    # Errors
    "run.not_ready": ("The run is not ready: {count} problem(s). {listed}", "Solve them and start again."),
    "run.already_started": ("Run {name} is already at work ({state}).", "Watch it, or stop it first."),
    "run.ended": (
        "Run {name} has ended ({state}); the end of a run never changes.",
        "Make a new run from its settings.",
    ),
    "run.not_live": ("Run {name} is not at work ({state}), so it cannot be stopped.", "Nothing needs to be done."),
    "run.not_interrupted": (
        "Run {name} cannot be resumed: it is {state}.",
        "Only interrupted runs can be resumed.",
    ),
    "run.not_queued": ("Run {name} does not wait in the queue.", "Only waiting runs can change their place."),
    "run.still_live": ("Run {name} is still at work ({state}).", "Stop or cancel it before deleting it."),
    "run.no_field": ("A run has no field {name} that can be changed.", "Change its name, notes or star."),
    "run.disk_full": (
        "{path} could not be written ({detail}).",
        "Free some disk space, then go on from the last checkpoint.",
    ),
    "run.device_taken": (
        "The device {device} is in use by {purpose} ({name}).",
        "Wait until it is free, or stop it.",
    ),
    "run.no_rendezvous": (
        "Several machines need an address to meet at, not {address!r}.",
        "Set rendezvous to host:port of the first machine.",
    ),
    "run.no_machine": (
        "Run {name} has no machine {machine}: it uses {count}.",
        "Set num_machines, and number the joining machines from 1.",
    ),
    "run.no_adapter": (
        "Run {name} has no trained adapter (state {state}).",
        "Train it to the end, or stop it with Stop and keep.",
    ),
    "run.no_record": ("Run {name} has no record yet.", "It is written when training begins."),
    "run.no_remedy": (
        "There is no remedy for run {name} ({state}) that this program could apply.",
        "Read its message, change the settings or tasks by hand, and train again.",
    ),
    "run.damaged": ("A file of run {name} is damaged: {file}.", "Resume the run, or train it again."),
    "run.unexpected": (
        "The run ended with an unexpected error: {detail}",
        "Look at the log of the run; if it happens again, report it with the log.",
    ),
    # Status lines
    "run.waiting": ("Waiting for the device.", ""),
    "run.waiting_for": ("Waiting: the device is in use by {purpose} ({name}).", ""),
    "run.preparing": ("Loading the base model and the tasks.", ""),
    "run.training": ("Stage {stage}: step {step} of {steps}.", ""),
    "run.examining": ("Final exam: {done} of {total} questions answered.", ""),
    "run.saving": ("Saving the adapter and the results.", ""),
    "run.was_cancelled": ("The run was cancelled; nothing was kept.", ""),
    "run.was_interrupted": ("The worker of this run is gone.", "Resume it from its last checkpoint."),
    "run.was_hung": (
        "The worker of this run did not answer any more and was ended.",
        "Everything up to its last checkpoint is kept: resume it, or stop and keep.",
    ),
    "run.was_paused": ("The worker was asked to end and saved a checkpoint first.", "Resume it from there."),
    "run.was_stopped": ("The run was stopped early; the best adapter so far was kept.", ""),
    "run.finished": ("The run has finished.", ""),
}
