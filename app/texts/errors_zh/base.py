"""Chinese wording of the lowest floors' errors; the keys are those of core/messages/base.py."""

MESSAGES: dict[str, tuple[str, str]] = {
    "registry.unknown": ("没有名为 {name!r} 的{kind}。", "可选：{known}。"),
    "setting.unknown": ("没有设置项 {name!r}。", "已有的设置项：{known}。"),
    "setting.type": ("设置项“{name}”的值 {value!r} 类型不对。", "应为：{expected}。"),
    "setting.low": ("设置项“{name}”的值 {value} 小于下限 {bound}。", "请填 {bound} 或更大的值。"),
    "setting.high": ("设置项“{name}”的值 {value} 大于上限 {bound}。", "请填 {bound} 或更小的值。"),
    "setting.choice": ("设置项“{name}”的值是 {value!r}。", "请从这些里选一个：{choices}。"),
    "setting.yaml": ("{file} 第 {line} 行不是有效的 YAML（{detail}）。", "请改正这一行，或从表单重新保存设置。"),
    "setting.yaml_shape": ("{file} 的内容是 {found}，应为“名称: 值”的列表。", "请从应用保存的设置文件开始修改。"),
    "setting.assignment": ("{text!r} 不是 key=value 的形式。", "例如：--set batch_size=8。"),
    "workspace.read_only": (
        "工作区文件夹 {path} 无法写入（{detail}）。",
        "请清理磁盘空间，或用 --workspace 换一个文件夹。",
    ),
    "workspace.outside": ("路径 {path} 在工作区之外。", "名称里不要有斜杠或“..”。"),
    "workspace.no_project": ("这个工作区里没有项目 {name!r}。", "已有项目：{known}。"),
    "workspace.project_exists": ("已经有名为 {name!r} 的项目。", "请换一个名称，或打开已有的项目。"),
    "workspace.bad_name": ("{name!r} 不能用作名称。", "请用 1 到 80 个字符，不含换行。"),
    "workspace.no_task": ("项目 {project!r} 里没有任务 {name!r}。", "已有任务：{known}。"),
    "workspace.task_exists": (
        "项目 {project!r} 里已经有名为 {name!r} 的任务。",
        "请换一个名称，或先删除原来的任务。",
    ),
    "workspace.no_run": ("没有训练 {name!r}。", "用 python -m core runs PROJECT 查看项目的训练列表。"),
    "workspace.damaged": ("{path} 已损坏（{detail}）。", "请从备份恢复，或删除它所在的文件夹。"),
}
