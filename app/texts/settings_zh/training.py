"""Chinese label and help of the training room's settings: name -> (label, help)."""

SETTINGS: dict[str, tuple[str, str]] = {}
