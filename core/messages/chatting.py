"""Wording of the chat bench: merging, refining, files of questions, votes."""

MESSAGES: dict[str, tuple[str, str]] = {
    "merge.not_merged": ("The run {run} was not made by merging.", "Choose a merged run, or merge some tasks first."),
    "merge.other_base": ("The runs stand on different base models: {names}.", "Merge runs that were trained on the same base model."),
    "merge.twice": ("Two of the runs know the task {task}.", "Name the tasks with --task, or leave one of the runs out."),
}
