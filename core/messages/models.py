"""Wording of the models room's errors and problems."""

MESSAGES: dict[str, tuple[str, str]] = {}
