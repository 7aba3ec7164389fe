"""Chinese wording of the models room's errors and problems; the keys are those of core/messages/models.py."""

MESSAGES: dict[str, tuple[str, str]] = {
    "adapter.rows": (
        "某一层看到 {rows} 行，但样例只有 {examples} 条。",
        "每条样例给一个任务编号；行数必须是样例数的整数倍。",
    ),
    "adapter.not_packed": ("这个模型或方法不能把多条样例放在同一行里计算。", "请使用补齐的批次，每条样例一行。"),
    "adapter.no_call": (
        "调用基础模型时没有说明任务。",
        "请带 task_ids 调用模块化模型，或在它的 disabled() 块内调用。",
    ),
    "adapter.task_missing": ("这次调用没有给出任务。", "请传入 task_ids，每条样例对应 {count} 个任务之一。"),
    "adapter.task_shape": (
        "形状为 {shape}、类型为 {dtype} 的任务编号无法使用。",
        "请给一个整数列表，每条样例一个。",
    ),
    "adapter.task_unknown": (
        "没有编号为 {task} 的任务：这个模型认识 {count} 个任务。",
        "请用 0 到 {last} 的任务编号，或先添加该任务。",
    ),
    "adapter.task_count": ("{examples} 条样例却给了 {ids} 个任务编号。", "每条样例给一个任务编号。"),
    "adapter.no_layers": ("{model} 没有可以适配的线性层。", "请选择仅解码器或编码器-解码器的语言模型。"),
    "adapter.no_target": ("模型的各层中没有名为 {name!r} 的线性层。", "请用 all，或从中选择：{known}。"),
    "adapter.no_stage": (
        "方法 {method} 有 {count} 个训练阶段，没有第 {stage} 阶段。",
        "请训练第 1 到 {count} 阶段。",
    ),
    "adapter.wrong_config": ("方法 {method} 不能使用 {found} 类型的设置。", "请给出该方法自己的设置。"),
    "adapter.no_tasks": ("适配器至少需要一个任务。", "请先在项目中添加任务。"),
    "adapter.no_skills": ("公共技能和私有技能都为零，没有可训练的内容。", "请至少设置一个公共技能或一个私有技能。"),
    "adapter.heads": (
        "{heads} 个路由头不能整除层 {layer}（输入 {inputs}，输出 {outputs}）。",
        "请选择能同时整除两者的路由头数。",
    ),
    "adapter.no_scales": ("层 {layers} 在此方法中都没有缩放向量。", "请适配所有层，或包含键、值或前馈输出层。"),
    "adapter.no_feed_forward": (
        "在 {model} 中找不到前馈网络。",
        "请换一种方法，或选择 Llama、Qwen、GPT-2、GPT-NeoX 或 T5 系列的模型。",
    ),
    "adapter.no_block": ("{blocks!r} 不是模型的块编号。", "请给出 0 到 {last} 的编号，用逗号分隔。"),
    "adapter.nothing_own": (
        "方法 {method} 没有单个任务自己的部分，无法只训练新任务。",
        "请一起训练所有任务，或选择 C-Poly。",
    ),
    "adapter.no_lora": (
        "{method} 按问题或按词决定权重，无法变成一个 LoRA。",
        "请导出工作台自己的文件夹，或改用 C-Poly 训练。",
    ),
    "adapter.no_merge": ("{method} 无法并入基础模型的权重。", "请改为导出工作台自己的文件夹，或用 C-Poly 训练。"),
    "adapter.no_rank": ("{settings} 的大小不是秩。", "请与低秩技能的方法比较，或按参数数量比较。"),
    "adapter.not_found": ("{folder} 中没有适配器权重。", "请选择由完成的训练或导出产生的文件夹。"),
    "adapter.damaged": ("{folder} 中的适配器权重已损坏（{detail}）。", "请从备份恢复该文件夹，或重新训练。"),
    "adapter.format": ("{folder} 中的适配器格式为 {found}，此版本无法读取。", "请更新应用后再加载。"),
    "adapter.mismatch": (
        "该适配器与基础模型 {base} 不匹配；它是为 {made_for} 训练的。",
        "请在 {made_for} 上加载。",
    ),
    "export.differs": (
        "已撤回导出到 {folder} 的文件：重新加载后回答相差 {difference}。",
        "请以 float32 导出，或保留工作台自己的文件夹。",
    ),
    "model.dtype": ("未知的数值类型 {dtype!r}。", "请从中选择：{known}。"),
    "model.device": ("这台机器上没有设备 {device!r}。", "请用 cpu，或把设备设为 auto。"),
    "model.no_folder": (
        "没有文件夹 {path}。",
        "请检查路径，或给出模型名，例如 HuggingFaceTB/SmolLM2-135M-Instruct。",
    ),
    "model.no_config": (
        "{path} 不是模型文件夹：缺少 config.json。",
        "请选择包含 config.json、分词器和 *.safetensors 的文件夹。",
    ),
    "model.bad_config": ("{path} 中的 config.json 已损坏（{detail}）。", "请重新下载或复制该模型。"),
    "model.no_safetensors": (
        "{path} 中没有 safetensors 格式的权重。",
        "请选择带有 *.safetensors 文件的模型；其他格式可能执行代码，因此被拒绝。",
    ),
    "model.remote_code": ("{model} 要求运行它自带的程序代码，已拒绝。", "请选择 transformers 自身支持的模型。"),
    "model.architecture": (
        "{model}（类型 {kind!r}）既不是仅解码器也不是编码器-解码器语言模型。",
        "请选择文本模型，例如推荐列表中的模型。",
    ),
    "model.no_padding": ("分词器既没有填充符也没有结束符。", "请选择分词器定义了其中之一的模型。"),
    "model.not_found": (
        "无法加载基础模型 {model}（{detail}）。",
        "请检查名称和网络连接，或给出已下载文件夹的路径。",
    ),
    "model.no_numbers": ("{model} 的 config.json 没有给出估算所需的尺寸。", "训练仍可能成功；请留意内存。"),
}
