"""Chinese wording of the runs room's errors and problems; the keys are those of core/messages/runs.py."""

MESSAGES: dict[str, tuple[str, str]] = {}
