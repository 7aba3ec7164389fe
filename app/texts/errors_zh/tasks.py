"""Chinese wording of the tasks room's errors and problems; the keys are those of core/messages/tasks.py."""

MESSAGES: dict[str, tuple[str, str]] = {}
