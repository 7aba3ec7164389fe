"""Wording of the chat bench: merging, refining, files of questions, votes."""

MESSAGES: dict[str, tuple[str, str]] = {
    "merge.not_merged": (
        "The run {run} was not made by merging.",
        "Choose a merged run, or merge some tasks first.",
    ),
    "merge.other_base": (
        "The runs stand on different base models: {names}.",
        "Merge runs that were trained on the same base model.",
    ),
    "merge.twice": (
        "Two of the runs know the task {task}.",
        "Name the tasks with --task, or leave one of the runs out.",
    ),
    "chat.no_int8": (
        "This build of torch has no 8-bit layers for the device {device}.",
        "Answer in full precision.",
    ),
    "chat.no_bitsandbytes": (
        "Answers in {precision} on the device {device} need the package bitsandbytes, which is not installed.",
        "Install it (pip install bitsandbytes), or answer in full precision.",
    ),
    "chat.no_precision": (
        "Runs of the method {method} are built from copies of the base model's layers, which cannot be quantised.",
        "Answer in full precision.",
    ),
    "refine.no_examples": (
        "Task {task} of this run has no training rows to refine an answer with.",
        "Switch refining off.",
    ),
    "questions.no_column": (
        "{file} has no column {columns}.",
        "Its columns are: {known}. Name them as the task's input columns are named.",
    ),
    "questions.none": (
        "{file} has no row with a text for {columns}.",
        "Fill in the input columns of at least one row.",
    ),
    "questions.many": ("{file} has {rows} questions.", "Split it: at most {bound} are answered at once."),
    "chat.exam_question": (
        "This question stands in the final exam of {task}, so its answer cannot become a practice row.",
        "Correct other questions here; a wrong exam row is corrected on the Tasks screen.",
    ),
    "chat.empty_answer": ("The right answer is empty.", "Type what the model should have answered."),
    "chat.no_file": (
        "There is no file or no task to answer it as.",
        "Drop a file, and choose one of the tasks above.",
    ),
}
