"""Chinese texts: Home."""

TEXTS: dict[str, str] = {
    "home.lead": "带上您领域里的任务文件。Taskloom 用它们一起训练一个小型语言模型，让您看到任务之间共享了什么，并可以与训练好的模型对话。",
    "home.choose": "您的项目",
    "home.open": "当前项目：{name}",
    "home.name": "新项目",
    "home.name_hint": "例如：病房常见问题",
    "home.create": "新建项目",
    "home.sample": "试用示例项目",
    "home.sample_name": "示例项目",
    "home.card": "{tasks} 个任务 · {runs} 次训练",
    "home.training": "训练中",
    "home.remove_title": "删除当前项目",
    "home.remove_sure": "是的，删除这个项目以及其中的任务、训练和模型。此操作无法撤销。",
    "home.remove": "删除项目",
    "home.remove_busy": "这个项目还有训练在进行。请先在“训练”页停止或取消它。",
    "home.step_tasks": "放入任务文件，检查模型会读到什么。",
    "home.step_train": "选择目标，点击“开始”。",
    "home.step_results": "查看每个任务训练前后的得分。",
    "home.step_skills": "查看哪些任务共享哪些技能。",
    "home.step_try_it": "向训练好的模型提问，并与未训练的模型对比。",
}
