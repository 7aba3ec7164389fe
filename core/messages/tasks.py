"""Wording of the tasks room's errors and problems."""

MESSAGES: dict[str, tuple[str, str]] = {}
