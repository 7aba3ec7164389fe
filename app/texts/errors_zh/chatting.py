"""Chinese wording of the chat bench; the keys are those of core/messages/chatting.py."""

MESSAGES: dict[str, tuple[str, str]] = {
    "merge.not_merged": ("训练 {run} 不是合并得到的。", "请选择一个合并得到的训练，或先合并几个任务。"),
    "merge.other_base": ("这些训练的基础模型不同：{names}。", "请合并在同一个基础模型上训练的结果。"),
    "merge.twice": ("有两次训练都包含任务 {task}。", "请用 --task 指定任务，或去掉其中一次训练。"),
    "chat.no_int8": ("这个 torch 版本在设备 {device} 上没有 8 位层。", "请用全精度回答。"),
    "chat.no_bitsandbytes": (
        "在设备 {device} 上用 {precision} 回答需要 bitsandbytes 包，但它没有安装。",
        "请安装（pip install bitsandbytes），或用全精度回答。",
    ),
    "chat.no_precision": ("方法 {method} 的训练由基础模型各层的副本构成，不能量化。", "请用全精度回答。"),
    "refine.no_examples": ("这次训练的任务 {task} 没有可用来改进答案的训练行。", "请关闭“改进答案”。"),
    "questions.no_column": ("{file} 没有名为 {columns} 的列。", "它的列：{known}。请让列名与任务的输入列一致。"),
    "questions.none": ("{file} 里没有一行填写了 {columns}。", "请至少为一行填写输入列。"),
    "questions.many": ("{file} 有 {rows} 个问题。", "请拆分文件：一次最多回答 {bound} 个。"),
    "chat.exam_question": (
        "这个问题在 {task} 的终考集里，它的答案不能成为练习行。",
        "请在这里改正其他问题；终考行的错误请在“任务”页面改正。",
    ),
    "chat.empty_answer": ("正确答案是空的。", "请输入模型本应给出的答案。"),
    "chat.no_file": ("没有文件，或没有选择任务。", "请拖入一个文件，并在上面选择一个任务。"),
}
