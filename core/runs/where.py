"""The engines a workspace can start runs on, and what the engine of a run says of its worker.

`local` is always there. Others stand in `<workspace>/engines.yaml`, which whoever keeps the machine writes:

    cluster: {launcher: slurm, partition: gpu, gpus: 1, hours: 8}
    hub: {launcher: hf_jobs, flavor: l4x1, hours: 2, bucket: me/runs, visitors: true}

On a page that several people share only engines with `visitors: true` are offered.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.base.errors import RunError, SettingError, TaskloomError
from core.base.files import read_json
from core.base.settings_yaml import parse_yaml_settings
from core.runs.engines.hf_jobs import HubLauncher
from core.runs.engines.local import LocalLauncher
from core.runs.engines.slurm import SlurmLauncher
from core.runs.folder import RunFolder
from core.runs.launchers import LAUNCHERS, LOCAL, Answer, Identity, Launcher
from core.workspace import LOCAL_OWNER

FILE = "engines.yaml"
ASK_EVERY_S = 5.0
SILENT_S = 60.0
_silent: dict[str, tuple[float, str]] = {}  # launcher -> (when it did not answer, what was said of that)
_said: dict[tuple[str, str], tuple[float, float, Answer]] = {}  # (run, launch) -> (asked, answered, the answer)

LAUNCHERS.register(LOCAL, LocalLauncher())
LAUNCHERS.register("slurm", SlurmLauncher())
LAUNCHERS.register("hf_jobs", HubLauncher())


@dataclass(frozen=True)
class Engine:
    """A place where runs can be started, as a person named it."""

    name: str
    launcher: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    visitors: bool = False


HERE = Engine(LOCAL, LOCAL, visitors=True)


def list_engines(workspace_dir: Path, owner: str = LOCAL_OWNER) -> list[Engine]:
    """This machine first.

    Raises:
        SettingError: engines.yaml cannot be read; names the entry and what is wrong with it.
    """
    path = workspace_dir / FILE
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return [HERE]
    except (OSError, ValueError) as error:
        raise SettingError("run.engines_file", path=str(path), detail=" ".join(str(error).split())[:200]) from error
    found = parse_yaml_settings(text, FILE)
    engines = [HERE, *(_read_engine(path, str(name), entry) for name, entry in found.items())]
    return [engine for engine in engines if engine.visitors or owner == LOCAL_OWNER]


def find_engine(workspace_dir: Path, name: str | None, owner: str = LOCAL_OWNER) -> Engine:
    """
    Raises:
        SettingError: there is no such engine, or engines.yaml cannot be read.
    """
    if name in (None, "", LOCAL):
        return HERE
    engines = list_engines(workspace_dir, owner)
    found = next((engine for engine in engines if engine.name == name), None)
    if found is None:
        raise SettingError("run.no_engine", name=name, known=", ".join(e.name for e in engines), file=FILE)
    return found


def _read_engine(path: Path, name: str, entry: Any) -> Engine:
    def wrong(detail: str) -> SettingError:
        return SettingError("run.engines_file", path=str(path), detail=f"{name}: {detail}")

    if name == LOCAL or not isinstance(entry, dict):
        raise wrong(f"{name!r}" if name == LOCAL else type(entry).__name__)
    settings = dict(entry)
    launcher, visitors = settings.pop("launcher", name), settings.pop("visitors", False)
    if launcher not in LAUNCHERS or launcher == LOCAL:
        raise wrong(f"launcher {launcher!r} ({', '.join(n for n in LAUNCHERS.names() if n != LOCAL)})")
    known = LAUNCHERS.get(launcher).settings
    for key, value in settings.items():
        if key not in known:
            raise wrong(f"{key} ({', '.join(known)})")
        fits = isinstance(value, int | float) if known[key] is float else isinstance(value, known[key])
        if not fits or (isinstance(value, bool) and known[key] is not bool) or value in ("", 0):
            raise wrong(f"{key}: {value!r} ({known[key].__name__})")
        if isinstance(value, int | float) and value < 0:
            raise wrong(f"{key}: {value!r}")
    if not isinstance(visitors, bool):
        raise wrong(f"visitors: {visitors!r}")
    return Engine(name, launcher, settings, visitors)


def engine_of(folder: RunFolder) -> Engine:
    """The engine that run.json names, as engines.yaml describes it now.

    Raises:
        SettingError: it is not there any more.
    """
    return find_engine(folder.workspace_dir, folder.read_run().get("on"))


def read_launch(folder: RunFolder) -> dict[str, Any]:
    """What launch.json says; empty where there is none or it is damaged, as for a run of this machine."""
    try:
        found = read_json(folder.launch_path)
    except (OSError, TaskloomError):
        return {}
    return found if isinstance(found, dict) else {}


def is_far(folder: RunFolder) -> bool:
    """Whether the run was started last on another engine than this machine."""
    return bool(read_launch(folder).get("launch_id"))


def ask(folder: RunFolder, launch: Identity | None = None, is_urgent: bool = False) -> Answer:
    """What the engine of a run says of its worker. It is asked every few seconds at most, and never again once it
    has said that a start is gone; one that is silent for a moment is taken to mean what it said last."""
    launch = read_launch(folder) if launch is None else launch
    if not launch.get("launch_id"):
        return LAUNCHERS.get(LOCAL).alive(folder, launch)
    if "job" not in launch:  # between the click and the engine's receipt the lock is held
        return Answer("pending" if folder.is_alive() else "gone")
    key = (str(folder.path), str(launch["launch_id"]))
    asked, known, answer = _said.get(key, (-ASK_EVERY_S, -SILENT_S, Answer("unknown")))
    now = time.monotonic()
    is_old = answer.sign != "gone" and now - asked >= ASK_EVERY_S
    if is_old or (is_urgent and answer.sign != "gone"):
        said = _ask_engine(folder, launch)
        if said.sign != "unknown" or now - known >= SILENT_S:
            known, answer = (known if said.sign == "unknown" else now), said
        _said[key] = now, known, answer
    return answer


def _ask_engine(folder: RunFolder, launch: Identity) -> Answer:
    name = str(launch.get("launcher", ""))
    if name not in LAUNCHERS:  # of another version of this program
        return Answer("unknown", detail=name)
    silent_at, said = _silent.get(name, (-ASK_EVERY_S, ""))
    if time.monotonic() - silent_at < ASK_EVERY_S:  # a list of its runs waits for it once
        return Answer("unknown", detail=said)
    try:
        return LAUNCHERS.get(name).alive(folder, launch)
    except RunError as error:
        _silent[name] = time.monotonic(), str(error)
        return Answer("unknown", detail=str(error))


def launcher_of(launch: Identity) -> Launcher:
    """
    Raises:
        SettingError: this version knows no such launcher.
    """
    return LAUNCHERS.get(str(launch.get("launcher", LOCAL)))


def end_worker(folder: RunFolder) -> None:
    """Ends a run's worker by force, wherever it is.

    Raises:
        RunError: its engine refuses or does not answer.
    """
    launch = read_launch(folder)
    if launch.get("launch_id") and "job" not in launch:
        return
    launcher_of(launch).cancel(folder, launch)
    _said.pop((str(folder.path), str(launch.get("launch_id", ""))), None)


def read_log(folder: RunFolder, num_lines: int = 200) -> str:
    """The last lines of a run's log; an engine that does not answer says why in their place."""
    launch = read_launch(folder)
    try:
        return launcher_of(launch).log(folder, launch, num_lines)
    except TaskloomError as error:
        return "\n".join(filter(None, (folder.read_log(num_lines), str(error))))
