"""Chinese wording of the training room's errors and problems; the keys are those of core/messages/training.py."""

MESSAGES: dict[str, tuple[str, str]] = {}
