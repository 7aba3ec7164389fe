"""Wording of the training and evaluation rooms' errors and problems."""

MESSAGES: dict[str, tuple[str, str]] = {
    "config.adapter_mismatch": (
        "The adapter settings ({found}) do not belong to method {method}.",
        "Choose the method again to get its settings.",
    ),
    "check.no_tasks": ("The project has no task to train on.", "Add a task first."),
    "check.no_train": (
        "Task {task} has no practice rows.",
        "Give it more rows, or a smaller check and exam share.",
    ),
    "check.capped": (
        "Only {used} of {rows} practice rows are seen in a pass, because task {task} is so small.",
        "Add rows to it, leave it out, raise the cap of the mixture, or choose another mixture.",
    ),
    "check.few_train": (
        "Task {task} has only {count} practice rows.",
        "It may be learned by heart; more rows help.",
    ),
    "check.no_validation": (
        "Task {task} has no check rows, so its best moment cannot be found.",
        "Give it a check share above 0.",
    ),
    "check.no_model": (
        "The base model {model} is not on this machine.",
        "It will be downloaded at the start; without internet choose a model that is here.",
    ),
    "check.bad_model": ("The base model {model} cannot be used. {detail}", "Choose another base model."),
    "check.context": (
        "The longest example setting is {tokens} tokens, but {model} reads at most {context}.",
        "Longer examples are cut to {context} tokens; choose {context} or less.",
    ),
    "check.long_rows": (
        "Task {task}: about {share} % of the prompts are longer than {tokens} tokens and will be cut in the middle.",
        "Raise the longest example, or shorten the inputs.",
    ),
    "check.disk": (
        "{free} MB of disk are free, but the run needs about {needed} MB.",
        "Free some disk space, or keep fewer checkpoints.",
    ),
    "check.memory": (
        "The run needs about {needed} MB of memory, and {free} MB are free.",
        "Choose a smaller batch size, shorter examples or a smaller model.",
    ),
    "check.device": ("Device {device} was asked for, but this machine has none.", "Choose device auto or cpu."),
    "check.no_tracker": (
        "The tracking tool {tracker} is not installed.",
        "Install it with pip install {tracker}, or set report_to to none.",
    ),
    "check.stage2_single": (
        "With one task there is nothing to share; stage 2 refines a single row.",
        "Add tasks, or set stage 2 to 0.",
    ),
    "training.nan": ("The loss became {value} in stage {stage} at step {step}.", "Use half the learning rates."),
    "training.out_of_memory": (
        "Memory ran out during {stage}, at step {step} with batch size {batch_size}.",
        "Halve the batch size and double the accumulation.",
    ),
    "training.time_limit": ("The time limit of {hours} hours was reached.", "The best adapter so far is kept."),
    "training.hardware": ("The device failed: {detail}", "Start the machine's device again, or train on the CPU."),
    "training.full_head": (
        "This base model needs its head computed for every token.",
        "Steps take longer; the result is the same.",
    ),
    "training.pruned": (
        "{count} weights below {threshold} were switched off; the check loss went from {before} to {after}.",
        "Exports of the tasks hold fewer skills; choose a smaller limit if the loss rose too much.",
    ),
    "training.no_batches": ("No batch could be made from the tasks.", "Check that the tasks have practice rows."),
    "training.rank_lost": (
        "A training process ended unexpectedly: {detail}",
        "Resume the run from its last checkpoint.",
    ),
    "checkpoint.damaged": ("The checkpoint {name} is damaged: {detail}.", "An older checkpoint is used instead."),
    "checkpoint.mismatch": (
        "The checkpoint {name} belongs to other settings: {detail}.",
        "Resume with the settings the run was started with.",
    ),
    "metric.lengths": (
        "{predictions} answers were given for {references} questions.",
        "Score answers and references of the same length.",
    ),
}
