"""Chinese wording of the models room's errors and problems; the keys are those of core/messages/models.py."""

MESSAGES: dict[str, tuple[str, str]] = {}
