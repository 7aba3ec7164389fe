"""The engines a workspace can start runs on, and what the engine of a run says of its worker.

`local` is always there. Others stand in `<workspace>/engines.yaml`, which whoever keeps the machine writes:

    cluster: {launcher: slurm, partition: gpu, gpus: 1, hours: 8}
    nodes: {launcher: ray, gpus: 1}
    hub: {launcher: hf_jobs, flavor: l4x1, hours: 2, bucket: me/runs, visitors: true}

On a page that several people share only engines with `visitors: true` are offered.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.base.errors import Problem, RunError, SettingError, TaskloomError
from core.base.files import read_json
from core.base.settings_yaml import parse_yaml_settings
from core.runs.engines.hf_jobs import HubLauncher
from core.runs.engines.local import LocalLauncher
from core.runs.engines.ray_cluster import RayLauncher
from core.runs.engines.slurm import SlurmLauncher
from core.runs.folder import RunFolder
from core.runs.launchers import LAUNCHERS, LOCAL, Answer, Identity, Launcher
from core.training.config import RunConfig
from core.workspace import LOCAL_OWNER

FILE = "engines.yaml"
ASK_EVERY_S = 5.0
SILENT_S = 60.0
_silent: dict[str, tuple[float, str]] = {}  # launcher -> (when it did not answer, what was said of that)
_said: dict[tuple[str, str], tuple[float, float, Answer]] = {}  # (run, launch) -> (asked, answered, the answer)
_asking: dict[tuple[str, str], threading.Lock] = {}
_MAY_BE_NONE = ("gpus", "tries")

LAUNCHERS.register(LOCAL, LocalLauncher())
LAUNCHERS.register("slurm", SlurmLauncher())
LAUNCHERS.register("ray", RayLauncher())
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
    def wrong(key: str, **values: Any) -> SettingError:
        return SettingError(f"run.engines_{key}", path=str(path), name=name, **values)

    if name == LOCAL:
        raise wrong("here")
    if not isinstance(entry, dict):
        raise wrong("entry")
    settings = dict(entry)
    launcher, visitors = settings.pop("launcher", name), settings.pop("visitors", False)
    if not isinstance(launcher, str) or launcher not in LAUNCHERS or launcher == LOCAL:
        known = ", ".join(known for known in LAUNCHERS.names() if known != LOCAL)
        raise wrong("launcher", value=str(launcher), known=known)
    kinds = LAUNCHERS.get(launcher).settings
    for key, value in settings.items():
        if key not in kinds:
            raise wrong("unknown", setting=key, known=", ".join(kinds))
        settings[key] = _fit(key, value, kinds[key])
        if settings[key] is None:
            raise wrong("value", setting=key, value=str(value))
    if not isinstance(visitors, bool):
        raise wrong("value", setting="visitors", value=str(visitors))
    return Engine(name, launcher, settings, visitors)


def _fit(key: str, value: Any, kind: type) -> Any:
    """The value as the setting wants it; None when it is of another kind, empty or no number above zero. YAML takes
    a number such as 1e3 for a text."""
    if isinstance(value, bool):
        return value if kind is bool else None
    if kind is float and isinstance(value, int | float | str):
        try:
            number = float(value)
        except ValueError:
            return None
        return (value if isinstance(value, int) else number) if math.isfinite(number) and number > 0 else None
    if not isinstance(value, kind) or value == "":
        return None
    return None if isinstance(value, int) and value < (0 if key in _MAY_BE_NONE else 1) else value


def check_engine(engine: Engine, config: RunConfig) -> list[Problem]:
    """What an engine cannot do for a run with these settings, known before it is asked."""
    if config.num_machines > 1 and not LAUNCHERS.get(engine.launcher).joins:
        values = {"engine": engine.name, "machines": config.num_machines}
        return [Problem("num_machines", "run.engine_machines", values)]
    return []


def require_engine(engine: Engine, config: RunConfig) -> None:
    """
    Raises:
        RunError: the engine cannot run these settings.
    """
    for problem in check_engine(engine, config):
        raise RunError(problem.key, **problem.values)


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
    has said that a start is gone; one that is silent for a moment is taken to mean what it said last. While it is
    being asked about a run, others get what it said last."""
    launch = read_launch(folder) if launch is None else launch
    if not launch.get("launch_id"):
        return LAUNCHERS.get(LOCAL).alive(folder, launch)
    if "job" not in launch:  # between the click and the engine's receipt the lock is held
        return Answer("pending" if folder.is_alive() else "gone")
    key = (str(folder.path), str(launch["launch_id"]))
    lock = _asking.setdefault(key, threading.Lock())
    if not lock.acquire(blocking=is_urgent or key not in _said):
        return _said[key][2] if key in _said else Answer("unknown")
    try:
        return _ask_again(folder, launch, key, is_urgent)
    finally:
        lock.release()


def tell(folder: RunFolder) -> None:
    """Asks the engine of a run at once, however silent it was a moment ago, so that a wish travels to its worker
    though nobody may look any more."""
    launch = read_launch(folder)
    if launch.get("launch_id"):
        _silent.pop(str(launch.get("launcher", "")), None)
        ask(folder, launch, is_urgent=True)


def _ask_again(folder: RunFolder, launch: Identity, key: tuple[str, str], is_urgent: bool) -> Answer:
    asked, known, answer = _said.get(key, (-math.inf, -math.inf, Answer("unknown")))
    is_due = is_urgent or time.monotonic() - asked >= ASK_EVERY_S
    if answer.sign != "gone" and is_due:
        said = _ask_engine(folder, launch)
        now = time.monotonic()  # after the answer: an engine that hangs is left in peace as long as another
        if said.sign != "unknown" or now - known >= SILENT_S:
            known, answer = (known if said.sign == "unknown" else now), said
        _said[key] = now, known, answer
    return answer


def _ask_engine(folder: RunFolder, launch: Identity) -> Answer:
    name = str(launch.get("launcher", ""))
    if name not in LAUNCHERS:  # of another version of this program
        return Answer("unknown", detail=name)
    silent_at, said = _silent.get(name, (-math.inf, ""))
    if time.monotonic() - silent_at < ASK_EVERY_S:  # a list of its runs waits for it once
        return Answer("unknown", detail=said)
    try:
        return LAUNCHERS.get(name).alive(folder, launch)
    except TaskloomError as error:  # whatever is wrong with one run, a list of runs goes on
        if isinstance(error, RunError):
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
