"""What one browser tab is looking at, as plain Python: ids and numbers only, nothing of Gradio.

Every screen is drawn from a `Selection` plus the workspace; a change of the selection redraws the screens.
"""

from __future__ import annotations

import dataclasses
import re
import secrets
from dataclasses import dataclass
from typing import Any

from core.messages.locales import LANGUAGES
from core.workspace import LOCAL_OWNER

_OWNER = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Preset:
    """What a jump brings along for the fields of the screen it leads to; `number` tells one jump from the next.

    Gradio hashes a state to see whether it changed; values may be of any kind, dictionaries too.
    """

    screen: str
    values: tuple[tuple[str, Any], ...] = dataclasses.field(hash=False)
    number: int


@dataclass(frozen=True)
class Selection:
    """`version` counts changes of the project's data, so that screens read it again."""

    language: str = LANGUAGES[0]
    owner: str = LOCAL_OWNER
    project_id: str = ""
    task_id: str = ""
    run_id: str = ""
    version: int = 0
    run_moves: int = 0  # counts runs that began or ended meanwhile; what is typed about tasks stays
    engine: str = ""  # where the next run starts; "" is this machine
    tour: int = 0  # which stop of the guided tour, counted from 1; 0 is no tour
    preset: Preset | None = None  # of the latest jump; a screen takes it once

    @property
    def place(self) -> str:
        """What a screen is drawn for, to be compared in the page: project, run, changes of data and of runs."""
        return f"{self.project_id}/{self.run_id}/{self.version}/{self.run_moves}"

    def with_owner(self, owner: str) -> Selection:
        return dataclasses.replace(self, owner=owner)

    def with_language(self, language: str) -> Selection:
        return dataclasses.replace(self, language=language if language in LANGUAGES else LANGUAGES[0])

    def with_project(self, project_id: str, run_id: str = "") -> Selection:
        """Another project is open: its tasks and runs are not those of the last one."""
        return dataclasses.replace(self, project_id=project_id, task_id="", run_id=run_id, version=self.version + 1)

    def with_task(self, task_id: str) -> Selection:
        return dataclasses.replace(self, task_id=task_id, version=self.version + 1)

    def with_run(self, run_id: str) -> Selection:
        return dataclasses.replace(self, run_id=run_id, version=self.version + 1)

    def with_preset(self, screen: str, values: dict[str, Any]) -> Selection:
        """A jump to a screen whose fields are to hold these values."""
        version = self.version + 1
        brought = Preset(screen, tuple(sorted(values.items())), version)
        return dataclasses.replace(self, preset=brought, version=version)

    def with_engine(self, name: str) -> Selection:
        """The next run starts elsewhere: the Ready card is judged anew."""
        return dataclasses.replace(self, engine=name, version=self.version + 1)

    def with_tour(self, stop: int) -> Selection:
        return dataclasses.replace(self, tour=stop)

    def touched(self) -> Selection:
        """The same place with fresh data: every screen reads the workspace again."""
        return dataclasses.replace(self, version=self.version + 1)

    def moved(self) -> Selection:
        """As `touched`, when only the runs have moved."""
        return dataclasses.replace(self, run_moves=self.run_moves + 1)


def selection_to_prefs(selection: Selection) -> dict[str, str]:
    """What the browser remembers over a reload: never a token, only where the user was."""
    return {
        "language": selection.language,
        "owner": selection.owner,
        "project_id": selection.project_id,
        "run_id": selection.run_id,
        "tour": str(selection.tour),
    }


def selection_from_prefs(prefs: Any, accept_language: str, shared: bool) -> Selection:
    """The remembered place, or a first visit: the browser's language, and in shared mode a new secret owner id."""
    known = {k: v for k, v in prefs.items() if isinstance(v, str)} if isinstance(prefs, dict) else {}
    language = known.get("language") or language_of(accept_language)
    stop = known.get("tour", "")
    return Selection(
        owner=owner_of(known, shared),
        project_id=known.get("project_id", ""),
        run_id=known.get("run_id", ""),
        tour=int(stop) if stop.isascii() and stop.isdigit() else 0,
    ).with_language(language)


def owner_of(prefs: dict[str, str], shared: bool) -> str:
    """'local' on one's own machine; else a 128-bit id that only this browser knows."""
    if not shared:
        return LOCAL_OWNER
    owner = prefs.get("owner", "")
    return owner if is_browser_id(owner) else secrets.token_hex(16)


def is_browser_id(owner: str) -> bool:
    return _OWNER.fullmatch(owner) is not None


def language_of(accept_language: str) -> str:
    """First language of an Accept-Language header that the app speaks: 'zh-HK,en;q=0.8' gives zh."""
    for part in accept_language.lower().split(","):
        code = part.split(";")[0].strip().split("-")[0]
        if code in LANGUAGES:
            return code
    return LANGUAGES[0]
