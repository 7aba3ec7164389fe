"""Wording of the runs room's errors and problems."""

MESSAGES: dict[str, tuple[str, str]] = {}
