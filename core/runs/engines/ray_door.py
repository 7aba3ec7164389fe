"""The process that speaks with a Ray cluster for the app: `python -m core.runs.engines.ray_door ADDRESS`.

It reads a question a line, {"ask": name, ...}, and answers {"said": ...} or {"error": words, "joined": whether it
is in the cluster}, all JSON. Ray is loaded here and nowhere else: it takes over signals and output, and a
cluster that hangs must not hang a page. Ends with its input, so with whoever started it.
"""

from __future__ import annotations

import contextlib
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


def submit(orders: list[dict[str, Any]]) -> list[str]:
    """An actor a run, each named by its start; all of them are in the cluster's queue before the first begins."""
    for order in orders:
        _submit(order, order["launch_id"], order["need"])
    return [order["launch_id"] for order in orders]


def _submit(order: dict[str, Any], job: str, need: dict[str, Any]) -> None:
    """Several machines of one run are had together or not at all, each on a node of its own."""
    from core.runs.engines.ray_errand import Errand, bundle_options, resources

    ray = _ray()
    options = resources(need)
    if need["machines"] > 1:
        bundles = [_amounts(need)] * need["machines"]
        group = ray.util.placement_group(bundles, "STRICT_SPREAD", name=job, lifetime="detached")
        options = bundle_options(need, group, 0)
    root = str(Path(core.__file__).resolve().parents[1])
    environment = {"env_vars": {"PYTHONPATH": root}}
    kind = ray.remote(Errand).options(
        name=job, lifetime="detached", max_restarts=need["tries"], runtime_env=environment, **options
    )
    try:
        kind.remote(order["run_dir"], tuple(order["command"]), need)
    except (ray.exceptions.RayError, RuntimeError, ValueError):  # nobody would take the machines that it holds
        _free(job)
        raise


def alive(job: str, need: dict[str, Any]) -> list[str]:
    """[sign, detail]. A run that waits is not told from one whose node has just gone: both will be begun."""
    ray = _ray()
    try:
        actor = ray.get_actor(job)
    except ValueError:  # it has left, or was given up
        _asked.pop(job, None)
        _free(job)
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
    _free(job)


def _free(job: str) -> None:
    """Gives back what was held for the machines of a run."""
    ray = _ray()
    with contextlib.suppress(ValueError):  # it is of one machine
        ray.util.remove_placement_group(ray.util.get_placement_group(job))


def waiting() -> int:
    """Runs that have not begun."""
    ray = _ray()
    asked = [ray.get_actor(name).here.remote() for name in ray.util.list_named_actors()]
    return len(ray.wait(asked, num_returns=len(asked), timeout=LOOK_S)[1]) if asked else 0


def _amounts(need: dict[str, Any]) -> dict[str, float]:
    """A bundle of a placement group: what one machine of a run takes of its node."""
    amounts = {"CPU": need["cpus"], "GPU": need["gpus"], "memory": need["memory"]}
    return {name: amount for name, amount in amounts.items() if amount}


def _ray() -> Any:
    return import_module("ray")


def _is_there(job: str) -> bool:
    ray = _ray()
    return job in ray.util.list_named_actors()


def _lacking(need: dict[str, Any]) -> str:
    """What no single node of the cluster has, or fewer nodes than the run has machines, however long one waits."""
    ray = _ray()
    wanted = _amounts(need)
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    large = sum(all(node.get(name, 0) >= amount for name, amount in wanted.items()) for node in nodes)
    if large >= need["machines"]:
        return ""
    if large:
        return f"{need['machines']} nodes are needed at once, and {large} are that large"
    most = ", ".join(f"{name} {max((n.get(name, 0) for n in nodes), default=0):g}" for name in wanted)
    return f"no node is that large; the most: {most}"


QUESTIONS: dict[str, Callable[..., Any]] = {"submit": submit, "alive": alive, "cancel": cancel, "waiting": waiting}

if __name__ == "__main__":
    raise SystemExit(main())
