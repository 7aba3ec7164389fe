"""Chinese label and help of the adapters room's settings: name -> (label, help)."""

SETTINGS: dict[str, tuple[str, str]] = {
    "target_modules": ("被适配的层", "每个块中带适配器的线性层：all，或用逗号分隔的名称（q_proj, v_proj）。"),
    "upper_share": ("被适配的块所占比例", "1 适配所有块；0.5 只适配上半部分，训练更快。"),
    "rank": ("技能的秩", "一个技能的大小。越大能学得越多，占用的内存和时间也越多。"),
    "combine": ("技能的组合方式", "sum 把各技能的乘积相加；mix 先对因子求平均再相乘。"),
    "granularity": ("分配的粒度", "layer 让每一层各自选择技能的混合；model 处处使用同一种混合。"),
    "temperature": ("路由温度", "越小，训练中带噪声的权重越接近 0 或 1。"),
    "noise": ("训练时的路由噪声", "训练时对混合权重采样（Gumbel-sigmoid），使各技能得到探索。"),
    "kernel": ("计算方式", "fused 速度快；plain 是便于阅读的定义，结果相同。"),
    "num_common_skills": ("公共技能数", "所有任务共享的技能；每个任务学习各用多少。"),
    "num_private_skills": ("每个任务的私有技能数", "只属于一个任务的技能。"),
    "private_block": ("私有权重", "one_hot 使私有技能保持私有；learnable 只以此为起点，与论文一致。"),
    "routing_heads": ("路由头数", "把每一层分成这么多块，各有自己的混合。"),
    "alpha": ("Alpha", "适配器的输出乘以 alpha / 秩。留空表示 alpha 等于秩。"),
}
