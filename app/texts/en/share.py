"""English texts: Share."""

TEXTS: dict[str, str] = {
    "share.lead": "Take the trained model with you. Every export is loaded again and compared before it is offered; it holds no rows of your tasks.",
    "share.none_title": "No trained model yet",
    "share.none_text": "Choose a finished run at the top of the page, or train one first.",
    "share.kind": "What to make",
    "share.kind_lora": "adapter for one task (LoRA)",
    "share.kind_merged": "whole model for one task",
    "share.kind_run": "everything, for another Taskloom",
    "share.about_lora": "A small file in the standard PEFT format that other software adds to the base model.",
    "share.about_merged": "An ordinary model folder with the skills of one task built in; larger, and needs nothing else.",
    "share.about_run": "All tasks with their skills in one folder. Another Taskloom opens it and answers as any of the tasks.",
    "share.task": "Task",
    "share.task_help": "The export answers as this task.",
    "share.make": "Make the files",
    "share.file": "Ready to download",
    "share.card": "Model card that goes with it",
    "share.commands": "On the command line",
    "share.commands_note": "An OpenAI-compatible address, a chat on the terminal, and the same exports:",
}
