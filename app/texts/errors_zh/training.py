"""Chinese wording of the training and evaluation rooms; the keys are those of core/messages/training.py."""

MESSAGES: dict[str, tuple[str, str]] = {
    "config.adapter_mismatch": ("适配器设置（{found}）不属于方法 {method}。", "请重新选择方法以得到它的设置。"),
    "check.no_tasks": ("项目里没有可训练的任务。", "请先添加任务。"),
    "check.no_train": ("任务 {task} 没有练习集数据。", "请提供更多数据，或减小检查集和终考集的比例。"),
    "check.capped": (
        "每轮只会用到 {rows} 行练习数据中的 {used} 行，因为任务 {task} 太小。",
        "请给它增加数据、去掉它、提高混合的上限，或选择其他混合方式。",
    ),
    "check.few_train": ("任务 {task} 只有 {count} 行练习数据。", "模型可能会死记硬背；更多数据会有帮助。"),
    "check.no_validation": ("任务 {task} 没有检查集，无法找出最佳时刻。", "请给它大于 0 的检查集比例。"),
    "check.no_model": ("本机没有基础模型 {model}。", "开始时会下载；没有网络时请选择本机已有的模型。"),
    "check.bad_model": ("基础模型 {model} 不能使用。{detail}", "请选择另一个基础模型。"),
    "check.context": (
        "最长样本设为 {tokens} 个词元，但 {model} 最多读 {context} 个。",
        "更长的样本会被截到 {context} 个词元；请选择不超过 {context} 的值。",
    ),
    "check.long_rows": (
        "任务 {task}：约 {share} % 的提示超过 {tokens} 个词元，中间部分会被截去。",
        "请增大最长样本，或缩短输入。",
    ),
    "check.disk": ("磁盘剩余 {free} MB，而训练约需 {needed} MB。", "请清理磁盘空间，或少留检查点。"),
    "check.memory": (
        "训练约需 {needed} MB 内存，现在空闲 {free} MB。",
        "请减小批大小、缩短样本，或选择更小的模型。",
    ),
    "check.device": ("要求使用设备 {device}，但本机没有。", "请把设备设为 auto 或 cpu。"),
    "check.no_tracker": (
        "没有安装跟踪工具 {tracker}。",
        "用 pip install {tracker} 安装，或把 report_to 设为 none。",
    ),
    "check.stage2_single": (
        "只有一个任务时没有可共享的内容；第二阶段只会调整一行。",
        "请添加任务，或把第二阶段设为 0。",
    ),
    "training.nan": ("第 {stage} 阶段第 {step} 步的损失变成了 {value}。", "请把学习率减半。"),
    "training.out_of_memory": (
        "{stage}时内存不足（第 {step} 步，批大小 {batch_size}）。",
        "请把批大小减半、梯度累积加倍。",
    ),
    "training.time_limit": ("已到时间上限 {hours} 小时。", "保留目前最好的适配器。"),
    "training.hardware": ("设备出错：{detail}", "请重启设备，或改用 CPU 训练。"),
    "training.full_head": ("这个基础模型需要为每个词元计算输出层。", "每步会慢一些，结果相同。"),
    "training.pruned": (
        "已关闭 {count} 个小于 {threshold} 的权重；检查损失从 {before} 变为 {after}。",
        "各任务导出时所含技能更少；若损失上升太多，请用更小的界限。",
    ),
    "training.no_batches": ("任务数据组不成任何批次。", "请确认任务有练习集数据。"),
    "training.rank_lost": ("一个训练进程意外结束：{detail}", "请从最近的检查点继续。"),
    "checkpoint.damaged": ("检查点 {name} 已损坏：{detail}。", "改用更早的检查点。"),
    "checkpoint.mismatch": ("检查点 {name} 属于另一组设置：{detail}。", "请用开始训练时的设置继续。"),
    "metric.lengths": ("{references} 道题得到了 {predictions} 个答案。", "答案与参考的数量应当相同。"),
}
