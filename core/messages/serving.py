"""Wording of the serving room's errors and problems."""

MESSAGES: dict[str, tuple[str, str]] = {}
