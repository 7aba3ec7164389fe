"""knockout, transfer and leaveout RUN: what a skill contributes, who could use whose skills, who teaches whom"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from core.base.errors import RunError
from core.commands.output import ProgressLine, Report, Verbs, add_verb, table
from core.commands.runs import add_on, find_run, require_consent, word_waiting


def add_parser(verbs: Verbs) -> None:
    for kind, text in (
        ("knockout", "how each task's score changes when one skill is switched off"),
        ("transfer", "how each task's score changes when it uses the skills the way another task does"),
        ("leaveout", "which tasks teach which: trains again without each task, and once with another seed"),
    ):
        parser = add_verb(verbs, kind, _probe(kind), text)
        parser.add_argument("run", help="run id, or a unique beginning of it")
        if kind != "leaveout":  # it compares whole exams
            text = "exam questions a task (default 50)"
            parser.add_argument("--rows", type=int, default=50, metavar="N", help=text)
        else:
            add_on(parser, "train on another engine (python -m core engines), all runs at once")
        parser.add_argument("--again", action="store_true", help="ask again, although there is an outcome")


def _probe(kind: str) -> Callable[[argparse.Namespace], Report]:
    def probe(args: argparse.Namespace) -> Report:
        from core.insight.probe_table import describe_probe, probe_path, read_probe

        folder = find_run(args)
        if args.again or not probe_path(folder.path, kind).is_file():
            _make(folder, kind, args)
        outcome = read_probe(folder.path, kind)
        sentences = [sentence.text for sentence in describe_probe(outcome)]
        points, sure = outcome.change * 100, outcome.is_sure
        rows = [
            [
                task,
                f"{100 * outcome.scores[task]:.1f}",
                *(
                    None if value != value else f"{value:+.1f}{'*' if sure.loc[task, name] else ''}"
                    for name, value in points.loc[task].items()
                ),
            ]
            for task in points.index
        ]
        shown = table(rows, ["task", "score", *map(str, points.columns)])
        value = {
            "run_id": folder.run_id,
            "kind": kind,
            "scores": outcome.scores.to_dict(),
            "sentences": sentences,
            "sure": {task: {str(n): bool(v) for n, v in row.items()} for task, row in sure.iterrows()},
            "change": _plain(outcome.change),
            "low": _plain(outcome.low),
            "high": _plain(outcome.high),
        }
        note = "points of 100; * larger than chance: the 95 % interval leaves out zero"
        return Report(value, "\n".join([shown, note, "", *sentences]))

    return probe


def _make(folder: Any, kind: str, args: argparse.Namespace) -> None:
    """Asks the run in this process, with the device held for it; training again has workers of its own."""
    if not folder.adapter_dir.is_dir():
        raise RunError("serving.no_adapter", run=folder.run_id)
    line = ProgressLine(args.json)
    if kind == "leaveout":
        from core.asking.leaving_out import count_leave_out, run_leave_out
        from core.runs.where import find_engine

        engine = find_engine(folder.workspace_dir, args.on)
        require_consent(engine, args, count_leave_out(folder.path), folder.read_config().base_model)
        said = "training without each task in turn" if args.on is None else f"training on {engine.name}"
        run_leave_out(folder.path, lambda done, total: line.step(done, total, said), engine, _tell_waiting(line))
        line.end()
        return

    from core.asking.probe_model import run_probe  # torch
    from core.commands.device import hold_device
    from core.insight.probe_table import ProbeSettings

    settings = ProbeSettings(rows=args.rows)
    with hold_device(folder, "evaluation"):

        def tell(done: int, total: int) -> None:
            line.step(done, total, f"{kind}, round {done} of {total}")

        run_probe(folder.path, kind, settings, tell)
    line.end()


def _tell_waiting(line: ProgressLine) -> Callable[[list[Any]], None]:
    """Says once why runs wait that an engine has."""
    told = ""

    def look(statuses: list[Any]) -> None:
        nonlocal told
        if (note := word_waiting(statuses)) and note != told:
            told = note
            line.show(note.removeprefix("; "), is_new_phase=True)

    return look


def _plain(frame: object) -> dict[str, dict[str, float | None]]:
    """NaN is not JSON: nothing stands for it."""
    import pandas as pd

    assert isinstance(frame, pd.DataFrame)
    return {
        str(task): {str(name): None if value != value else float(value) for name, value in row.items()}
        for task, row in frame.iterrows()
    }
