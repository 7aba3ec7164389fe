"""clean: what jobs of the Hub left in a storage bucket, listed and removed"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from core.commands.output import Report, Verbs, add_verb, confirm, table


def add_parser(verbs: Verbs) -> None:
    parser = add_verb(verbs, "clean", clean, "removes what ended jobs of the Hub left in the bucket, rows included")
    parser.add_argument("--show", action="store_true", help="only list it")
    unknown = "also what belongs to no project here: deleted, or of another workspace with the same bucket"
    parser.add_argument("--unknown", action="store_true", help=unknown)
    parser.add_argument("--yes", action="store_true", help="with --unknown: do not ask")


def clean(args: argparse.Namespace) -> Report:
    from core.base.errors import RunError
    from core.runs.engines.bucket_left import LEFT, UNKNOWN, list_left, remove_left
    from core.runs.engines.hf_jobs import HubLauncher
    from core.runs.where import list_engines
    from core.workspace import Workspace

    root = Workspace(args.workspace).root
    engines = [engine for engine in list_engines(root) if engine.launcher == "hf_jobs"]
    if not engines:
        raise RunError("run.no_bucket")
    hub, values = HubLauncher(), []
    buckets = {copy.root: copy for copy in (hub.bucket(root, engine.settings) for engine in engines)}
    left = [(copy, job) for copy in buckets.values() for job in list_left(copy)]
    going = set() if args.show else {LEFT}
    if args.unknown and not args.show and _agree([job for _, job in left if job.state == UNKNOWN], args.yes):
        going.add(UNKNOWN)
    for copy, job in left:
        goes = job.state in going
        became = ("removed" if remove_left(copy, job) else "not removed") if goes else "stays"
        one = {"start": job.launch_id, "run": job.target, "megabytes": round(job.size / 1e6, 1)}
        values.append({**one, "state": job.state, "became": became})
    heads = ["start", "run", "MB", "state", "what became of it"]
    return Report(
        values, table([list(value.values()) for value in values], heads) if values else "Nothing is left."
    )


def _agree(unknown: list[Any], yes: bool) -> bool:
    """Whether what nobody here knows may go; each start is named before the question."""
    if not unknown or yes:
        return True
    named = "\n".join(f"{job.launch_id}  {job.target or '?'}  {job.size / 1e6:.1f} MB" for job in unknown)
    print(named, file=sys.stderr, flush=True)
    return confirm(f"Remove these {len(unknown)}, whose runs may belong to another workspace?")
