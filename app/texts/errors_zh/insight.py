"""中文：任务单元、更正，以及对一次训练的测量。"""

MESSAGES: dict[str, tuple[str, str]] = {
    "insight.no_job": ("这里没有正在进行的工作。", "请先启动。"),
    "insight.one_task": ("训练 {run} 只有一个任务。", "要去掉一个任务，至少需要两个任务的训练。"),
    "insight.no_row": ("{task} 的终考第 {row} 行没有回答过。", "请从答案列表里选一行。"),
    "insight.row_changed": (
        "这次训练之后，{task} 的第 {line} 行已经改过。",
        "请在“任务”页更正，或查看更新的训练。",
    ),
    "insight.task_gone": ("项目里已经没有任务 {task}。", "请重新添加，或查看其他训练。"),
    "insight.same_answer": ("这一行的正确答案已经是 {answer!r}。", "请输入别的答案，或保持不变。"),
    "says.private_alike": ("在所有任务上，私有技能在适配器输出中所占的份额差不多（{share} %）。", ""),
    "says.near_allocation": (
        "按公共技能的用法，{first} 和 {second} 最接近（{high}），{third} 和 {fourth} 相距最远（{low}）。",
        "",
    ),
    "says.near_pair": ("{first} 和 {second} 的相似度是 {high}（1 表示相同，0 表示没有共同点）。", ""),
    "says.near_same": ("目前所有任务两两同样接近（{value}）。", ""),
    "says.near_weights": (
        "按它们加到模型上的内容，{first} 和 {second} 最接近（{high}），{third} 和 {fourth} 相距最远（{low}）。",
        "",
    ),
    "says.taught_by": ("{task} 从 {other} 学到东西：训练时去掉它，分数下降 {points} 分。", ""),
    "says.disturbed_by": ("{task} 受 {other} 干扰：训练时去掉它，分数上升 {points} 分。", ""),
    "says.only_itself": (
        "去掉一个任务，它自己的得分会下降；在这些题目上，其他变化都没有超出偶然。多用一些题目才能看到更小的差别。",
        "",
    ),
    "says.chance_moves": (
        "只换一个随机种子重新训练，任务的分数就会变动最多 {points} 分；更小的变化说明不了什么。",
        "",
    ),
    "says.sharper": (
        "从第 {first} 步起，技能的选择变得更集中：从 {start} 到 {end}（0 表示一样用，1 表示只用一个）。",
        "",
    ),
    "says.evener": (
        "从第 {first} 步起，技能的选择变得更平均：从 {start} 到 {end}（0 表示一样用，1 表示只用一个）。",
        "",
    ),
    "says.unmoved": (
        "从第 {first} 步起，技能的选择几乎没有变化：集中度为 {end}（0 表示一样用，1 表示只用一个）。",
        "",
    ),
    "says.most_skills": (
        "在 {k} 个公共技能中，{task} 实际使用 {most} 个，最多；{other} 使用 {least} 个，最少。",
        "",
    ),
    "says.layer_most": ("{task} 在第 {layer} 层最依赖 {skill}（权重 {weight}）。", ""),
    "says.gate_own": (
        "第二阶段之后，任务自己的适配器平均占总和的 {share} %；最依赖共享的任务是 {task}（{least} %）。",
        "",
    ),
    "says.runs_moved": ("两次训练最大的不同：{task} 在 {skill} 上，{change}。", ""),
    "says.runs_same": ("两次训练使用公共技能的方式相同：权重相差不超过 {change}。", ""),
    "says.look_task": (
        "这种方法的权重只取决于任务：{task} 的每段文本都用这些权重回答。对这段文本贡献最大的是 {skill}（所有层平均，为基础模型自身输出的 {share} %）。",
        "",
    ),
    "says.look_weights": ("回答这段文本时用得最多的是 {skill}（权重 {weight}，各层平均）。", ""),
    "says.look_prompt": ("门控已读过这段文本：{skill} 的权重最大（{weight}，各层平均）。", ""),
    "says.look_token": ("这里每个词元自己选择；整段文本中 {skill} 的权重最大（{weight}，各层和词元平均）。", ""),
    "says.worst_label": ("正确答案是 {label} 的 {n} 道终考题中，只有 {right} 道答对；最常被当成 {instead}。", ""),
    "says.worst_label_alone": ("正确答案是 {label} 的 {n} 道终考题中，只有 {right} 道答对。", ""),
    "says.labels_fine": ("这个任务的每个标签在终考中全部答对。", ""),
    "says.new_task": ("{task} 直接用 {nearest} 的技能搭配得 {start}，练习 {rows} 行之后得 {end}（{metric}）。", ""),
    "says.new_task_band": ("用 {rows} 行练习，{draws} 次抽样的得分在 {low} 到 {high} 之间。", ""),
    "says.new_task_enough": ("超过 {rows} 行之后，提高不到 {points} 分。", ""),
    "says.detector": (
        "只看文本，{n} 条终考文本中任务判断正确的占 {accuracy} %（95% 把握在 {low} 到 {high} 之间）；总是猜最大的任务只有 {majority} % 正确。",
        "",
    ),
    "says.certainty_good": (
        "它所说的把握可信：平均 {sure} %，实际正确 {right} %（平均相差 {error} 个百分点）。",
        "",
    ),
    "says.certainty_off": (
        "它所说的把握与实际不符：平均 {sure} %，实际正确 {right} %（平均相差 {error} 个百分点）。",
        "",
    ),
    "says.study_best": ("{arm} 的平均分最高，为 {mean} 分。", ""),
    "says.study_sure": ("{arm} 比 {reference} {direction} {points} 分；随机种子的区间不含零。", ""),
    "says.study_unsure": ("用 {seeds} 个随机种子分不出 {arm} 和 {reference} 的高下。", ""),
}
