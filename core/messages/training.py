"""Wording of the training room's errors and problems."""

MESSAGES: dict[str, tuple[str, str]] = {}
