"""Chinese wording of the chat bench; the keys are those of core/messages/chatting.py."""

MESSAGES: dict[str, tuple[str, str]] = {
    "merge.not_merged": ("训练 {run} 不是合并得到的。", "请选择一个合并得到的训练，或先合并几个任务。"),
    "merge.other_base": ("这些训练的基础模型不同：{names}。", "请合并在同一个基础模型上训练的结果。"),
    "merge.twice": ("有两次训练都包含任务 {task}。", "请用 --task 指定任务，或去掉其中一次训练。"),
}
