"""The process that speaks with a Ray cluster for the app: `python -m core.runs.engines.ray_door ADDRESS`.

It reads a question a line, {"ask": name, ...}, and answers {"said": ...} or {"error": words, "joined": whether it
is in the cluster}, all JSON. Ray is loaded here and nowhere else: it takes over signals and output, and a
cluster that hangs must not hang a page. Ends with its input, so with whoever started it.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import core

NAMESPACE = "taskloom"
MISSING = 3  # exit code where there is no Ray
LOOK_S = 1.0  # a worker that has begun answers in milliseconds
_asked: dict[str, Any] = {}  # actor -> its answer that is still awaited


def main() -> int:
    if find_spec("ray") is None:
        return MISSING
    ray = _ray()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what Ray prints is no answer
    joined = False
    for line in sys.stdin:
        try:
            if not joined:
                ray.init(sys.argv[1], namespace=NAMESPACE, log_to_driver=False, logging_level="ERROR")
                joined = True
            question = json.loads(line)
            said = {"said": QUESTIONS[question.pop("ask")](**question)}
        except (ray.exceptions.RayError, OSError, RuntimeError, TypeError, ValueError) as error:
            said = {"error": " ".join(f"{type(error).__name__}: {error}".split())[:300], "joined": joined}
        print(json.dumps(said), file=answers, flush=True)
    return 0


def submit(orders: list[dict[str, Any]], need: dict[str, Any]) -> list[str]:
    """An actor a run, each named by its start; all of them are in the cluster's queue before the first begins."""
    from core.runs.engines.ray_errand import Errand

    ray = _ray()
    root = str(Path(core.__file__).resolve().parents[1])
    options = {
        "lifetime": "detached",
        "num_cpus": need["cpus"],
        "num_gpus": need["gpus"],
        "memory": need["memory"] or None,
        "max_restarts": need["tries"],
        "runtime_env": {"env_vars": {"PYTHONPATH": root}},
    }
    kind = ray.remote(Errand)
    for order in orders:
        kind.options(name=order["launch_id"], **options).remote(
            order["run_dir"], tuple(order["command"]), need["cpus"]
        )
    return [order["launch_id"] for order in orders]


def alive(job: str, need: dict[str, Any]) -> list[str]:
    """[sign, detail]. A run that waits is not told from one whose node has just gone: both will be begun."""
    ray = _ray()
    try:
        actor = ray.get_actor(job)
    except ValueError:  # it has left, or was given up
        _asked.pop(job, None)
        return ["gone", ""]
    patience_s = 0.0 if job in _asked else LOOK_S
    if job not in _asked:
        _asked[job] = actor.here.remote()
    if not ray.wait([_asked[job]], timeout=patience_s)[0]:
        return ["pending", _lacking(need)]
    try:
        return ["working" if ray.get(_asked.pop(job)) else "gone", ""]
    except ray.exceptions.ActorUnavailableError:
        return ["pending", ""]
    except ray.exceptions.RayActorError:  # the one that was asked is gone; another may be on its way
        return ["pending" if _is_there(job) else "gone", ""]


def cancel(job: str) -> None:
    ray = _ray()
    if _is_there(job):
        ray.kill(ray.get_actor(job), no_restart=True)


def waiting() -> int:
    """Runs that have not begun."""
    ray = _ray()
    asked = [ray.get_actor(name).here.remote() for name in ray.util.list_named_actors()]
    return len(ray.wait(asked, num_returns=len(asked), timeout=LOOK_S)[1]) if asked else 0


def _ray() -> Any:
    return import_module("ray")


def _is_there(job: str) -> bool:
    ray = _ray()
    return job in ray.util.list_named_actors()


def _lacking(need: dict[str, Any]) -> str:
    """What no single node of the cluster has, however long one waits."""
    ray = _ray()
    wanted = {"CPU": need["cpus"], "GPU": need["gpus"], "memory": need["memory"]}
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if any(all(node.get(name, 0) >= amount for name, amount in wanted.items()) for node in nodes):
        return ""
    most = ", ".join(
        f"{name} {max((n.get(name, 0) for n in nodes), default=0):g}" for name in wanted if wanted[name]
    )
    return f"no node is that large; the most: {most}"


QUESTIONS: dict[str, Callable[..., Any]] = {"submit": submit, "alive": alive, "cancel": cancel, "waiting": waiting}

if __name__ == "__main__":
    raise SystemExit(main())
