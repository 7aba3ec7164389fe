"""Wording of the lowest floors: registry, settings, workspace."""

MESSAGES: dict[str, tuple[str, str]] = {
    "registry.unknown": ("There is no {kind} named {name!r}.", "Use one of: {known}."),
    "setting.unknown": ("There is no setting {name!r}.", "Known settings: {known}."),
    "setting.type": ("Setting {name} is {value!r}, which is not {expected}.", "Give {expected}."),
    "setting.low": ("Setting {name} is {value}, below its smallest value {bound}.", "Choose {bound} or more."),
    "setting.high": ("Setting {name} is {value}, above its largest value {bound}.", "Choose {bound} or less."),
    "setting.choice": ("Setting {name} is {value!r}.", "Choose one of: {choices}."),
    "setting.yaml": (
        "{file}, line {line}: this is not valid YAML ({detail}).",
        "Correct the line, or save the settings again from the form.",
    ),
    "setting.yaml_shape": (
        "{file} holds {found} where a list of 'name: value' lines was expected.",
        "Start from a settings file saved by the app.",
    ),
    "setting.assignment": ("{text!r} is not of the form key=value.", "Write for example --set batch_size=8."),
    "workspace.read_only": (
        "The workspace folder {path} cannot be written ({detail}).",
        "Free some disk space, or choose another folder with --workspace.",
    ),
    "workspace.outside": ("The path {path} lies outside the workspace.", "Use a name without slashes or '..'."),
    "workspace.no_project": ("There is no project {name!r} in this workspace.", "Known projects: {known}."),
    "workspace.project_exists": (
        "A project named {name!r} exists already.",
        "Choose another name, or open that project.",
    ),
    "workspace.bad_name": ("{name!r} cannot be used as a name.", "Use 1 to 80 characters and no line breaks."),
    "workspace.no_task": ("Project {project!r} has no task {name!r}.", "Its tasks: {known}."),
    "workspace.task_exists": (
        "Project {project!r} already has a task named {name!r}.",
        "Give the new one another name, or remove the old one first.",
    ),
    "workspace.no_run": (
        "There is no run {name!r}.",
        "List the runs of a project with: python -m core runs PROJECT.",
    ),
    "workspace.damaged": (
        "{path} is damaged ({detail}).",
        "Restore it from a copy, or delete the folder that holds it.",
    ),
}
