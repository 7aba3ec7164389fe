"""Settings of what the user wants of the skills."""

from __future__ import annotations

from dataclasses import dataclass

from core.base.settings import setting


@dataclass(frozen=True)
class WishSettings:
    """Pairs of names, 'a | b; c | d'."""

    keep_apart: str = setting(
        "",
        label="Keep tasks apart",
        group="mixture",
        level="expert",
        help="Pairs of tasks that shall not share a common skill, as 'mails | bills; news | mails'.",
    )
    bind_tasks: str = setting(
        "",
        label="Bind tasks together",
        group="mixture",
        level="expert",
        help="Pairs of tasks that shall mix the common skills in the same way, as 'mails | bills'.",
    )
    freeze_skills: str = setting(
        "",
        label="Freeze skills",
        group="mixture",
        level="expert",
        help="Common skills of an earlier run that are taken over and not trained, as 'r2026… | common 2'.",
    )
