"""Chinese texts: Add a task."""

TEXTS: dict[str, str] = {
    "grow.lead": "用 5 到 50 个例子教训练好的模型再学一个任务。技能保持不变，只学习新任务如何混合它们。其他任务的回答与之前完全一样。",
    "grow.none_title": "没有选中训练好的模型",
    "grow.none_text": "请先训练一次，或在上方选一个已完成的训练。然后在“任务”页加入新任务的文件。",
    "grow.task": "新任务",
    "grow.task_help": "这个项目里该训练还没学过的任务。",
    "grow.no_task": "这次训练已经会项目里的所有任务。请先在“任务”页加入新任务的文件。",
    "grow.counts": "尝试的行数",
    "grow.draws": "抽样次数",
    "grow.draws_help": "每个行数抽样几次；差异构成带状区间。",
    "grow.steps": "步数",
    "grow.steps_help": "每次试验的训练步数。",
    "grow.private": "再加一个私有技能",
    "grow.private_help": "同时学习任务自己的技能：能学得更多，也需要更多的行。",
    "grow.start": "加入任务",
    "grow.open": "打开会新任务的训练",
    "grow.axis": "学习的行数",
    "grow.outcome": "{task}：少量的行带来什么",
    "grow.nearest": "最接近的已知任务",
    "grow.nearest_note": "按某个已知任务的方式回答时，新任务的答案有多合适；越小越接近。",
    "grow.loss": "损失（nats/词元）",
}
