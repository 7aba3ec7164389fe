"""note, delete, diff and record RUN: the history of a project's runs"""

from __future__ import annotations

import argparse
from typing import Any

from core.commands.output import Report, Verbs, add_verb, duration, table
from core.commands.runs import add_run, find_run, run_value


def add_parser(verbs: Verbs) -> None:
    parser = add_verb(verbs, "note", note, "name a run, write a note on it, give or take its star")
    add_run(parser)
    parser.add_argument("--name", help="a new name")
    parser.add_argument("--text", help="the note; an empty text removes it")
    parser.add_argument("--star", action=argparse.BooleanOptionalAction, help="give the star or take it")
    add_run(add_verb(verbs, "delete", delete, "delete an ended run with everything in it"))
    differ = add_verb(verbs, "diff", diff, "settings in which a run differs from another, or from the defaults")
    add_run(differ)
    differ.add_argument("other", nargs="?", help="the run to compare with (default: the settings of a new run)")
    differ.set_defaults(late="other")
    about = "what a run was made of, how to repeat it, and how well it was predicted"
    add_run(add_verb(verbs, "record", record, about))


def note(args: argparse.Namespace) -> Report:
    from core.runs.creation import update_run

    folder = find_run(args)
    given = {"name": args.name, "notes": args.text, "starred": args.star}
    update_run(folder, **{name: value for name, value in given.items() if value is not None})
    value = run_value(folder)
    star = "* " if value["starred"] else ""
    written = f": {value['notes']}" if value["notes"] else ""
    return Report(value, f"{folder.run_id}: {star}{value['name']}{written}")


def delete(args: argparse.Namespace) -> Report:
    from core.insight.jobs import end_jobs
    from core.runs.creation import delete_run, require_ended

    folder = find_run(args)
    require_ended(folder)
    end_jobs(folder.workspace_dir, folder.path.resolve().parents[1].name, folder.run_id)
    delete_run(folder)
    return Report({"run_id": folder.run_id, "deleted": True}, f"{folder.run_id} is deleted.")


def diff(args: argparse.Namespace) -> Report:
    from core.runs.folder import RunFolder
    from core.runs.rerun import config_difference
    from core.training.config import RunConfig, change_config
    from core.workspace import Workspace

    folder = find_run(args)
    config = folder.read_config()
    if args.other:
        other = RunFolder(Workspace(args.workspace).find_run_dir(args.other))
        reference, name = other.read_config(), other.run_id
    else:
        reference, name = change_config(RunConfig(), {"method": config.method}), "default"
    found = config_difference(config, reference)
    heads = ["setting", folder.run_id, name]
    rows = [[setting, *values] for setting, values in found.items()]
    value = {setting: {"run": mine, "other": theirs} for setting, (mine, theirs) in found.items()}
    return Report(value, table(rows, heads) if rows else "The settings are the same.")


def record(args: argparse.Namespace) -> Report:
    from core.base.errors import RunError
    from core.base.files import read_json

    folder = find_run(args)
    if not folder.record_path.exists():
        raise RunError("run.no_record", name=folder.run_id)
    value = dict(read_json(folder.record_path))
    seed, device = value["config"]["seed"], value["device"]["device"]
    lines = [f"Repeat it: {value['command']}", f"Seed {seed}, device {device}"]
    lines.append(", ".join(f"{name} {version}" for name, version in value["versions"].items()))
    for entry in value["data"]:
        lines.append(f"{entry['name']}: practice set {entry['splits']['train'][:16]}, from {entry['source']}")
    return Report(value, "\n".join([*lines, *_predicted(value)]))


def _predicted(value: dict[str, Any]) -> list[str]:
    """Prediction against what happened, one line for time and one for memory."""
    actual, error = value.get("actual"), value.get("prediction_error")
    if not actual or not error:
        return []
    predicted = value["prediction"]
    took = actual["training_s" if predicted.get("covers") == "training" else "seconds"]
    low, _, high = predicted["seconds"]
    least, _, most = predicted["memory_mb"]
    return [
        f"Time: {duration(took)}, predicted {duration(low)} to {duration(high)} ({predicted.get('source', '')}; "
        f"{100 * error['seconds']:+.0f} % from the likely value)",
        f"Memory: {actual['memory_mb']:.0f} MB, predicted {least:.0f} to {most:.0f} MB "
        f"({100 * error['memory_mb']:+.0f} %)",
    ]
