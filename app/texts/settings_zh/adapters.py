"""Chinese label and help of the adapters room's settings: name -> (label, help)."""

SETTINGS: dict[str, tuple[str, str]] = {}
