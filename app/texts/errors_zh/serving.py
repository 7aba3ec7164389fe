"""Chinese wording of the serving room's errors and problems; the keys are those of core/messages/serving.py."""

MESSAGES: dict[str, tuple[str, str]] = {}
