"""English texts: Home."""

TEXTS: dict[str, str] = {
    "home.lead": "Bring the task files of your field. Taskloom trains one small language model on all of them, shows what the tasks share, and lets you talk to the result.",
    "home.choose": "Your projects",
    "home.open": "Open project: {name}",
    "home.name": "New project",
    "home.name_hint": "for example: Ward questions",
    "home.create": "Create project",
    "home.sample": "Try the sample project",
    "home.sample_name": "Sample project",
    "home.card": "{tasks} tasks · {runs} runs",
    "home.training": "training",
    "home.remove_title": "Delete the open project",
    "home.remove_sure": "Yes, delete this project with its tasks, runs and trained models. This cannot be undone.",
    "home.remove": "Delete project",
    "home.remove_busy": "A run of this project is still at work. Stop or cancel it on the Train screen first.",
    "home.step_tasks": "Drop in your task files and check what the model will read.",
    "home.step_train": "Choose a goal and press Start.",
    "home.step_results": "See the score of every task before and after training.",
    "home.step_skills": "See which tasks share which skills.",
    "home.step_try_it": "Ask the trained model and compare it with the untouched one.",
}
