"""study PROJECT: several methods and seeds on the same tasks, with intervals; goes on where it was interrupted"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from core.commands.output import ProgressLine, Report, Verbs, add_verb, progress_bar, table
from core.commands.runs import add_on, require_consent, word_waiting
from core.commands.train import build_config

ARM_HELP = "a method to compare: 'cpoly', 'cpoly adapter.rank=4', 'big: cpoly adapter.rank=4'; repeat for several"


def add_parser(verbs: Verbs) -> None:
    parser = add_verb(verbs, "study", study, "compare methods over seeds on the same tasks and budget")
    parser.add_argument("project")
    parser.add_argument("--name", default="Study", help="the same name again goes on with that study")
    parser.add_argument("--arm", action="append", metavar="TEXT", help=ARM_HELP)
    parser.add_argument("--parts-of", metavar="METHOD", help="a method and its ablations (cpoly, mta) as the arms")
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="seeds 0 to N-1 (default 3)")
    parser.add_argument("--share", type=float, action="append", help="share of the practice rows; may be repeated")
    parser.add_argument("--fair", choices=("rank", "parameters"), default="rank", help="what all arms share")
    parser.add_argument("--task", action="append", metavar="NAME", help="only this task; repeat for several")
    parser.add_argument("--config", metavar="FILE.yaml", help="settings that all arms share")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="one setting of all arms")
    parser.add_argument("--base-model", metavar="PATH_OR_ID", help="base model of all arms")
    add_on(parser, "train on another engine (python -m core engines), all runs at once")
    parser.add_argument("--report", metavar="FILE.md", help="also write the report to a file")
    parser.add_argument(
        "--peft", metavar="FOLDER", help="also write one JSON a run, as PEFT's method comparison does"
    )
    parser.add_argument("--show", action="store_true", help="only show what is there, run nothing")


def study(args: argparse.Namespace) -> Report:
    from core.insight.study import count_due_cells, create_study, find_study, read_study, run_study, run_study_on
    from core.insight.study_peft import write_peft_records
    from core.insight.study_tables import study_frame, study_report
    from core.runs.where import HERE, find_engine
    from core.workspace import Workspace

    project = Workspace(args.workspace).get_project(args.project)
    engine = find_engine(Workspace(args.workspace).root, args.on)
    folder = find_study(project, args.name) or create_study(project, _plan(args))
    if not args.show:
        require_consent(engine, args, count_due_cells(project, folder))
        line = ProgressLine(args.json)
        if engine == HERE:
            run_study(project, folder, lambda cell, place, total, status: _tell(line, (cell, place, total), status))
        else:
            run_study_on(project, folder, engine, lambda statuses: _tell_all(line, engine.name, statuses))
        line.end()
    made = read_study(folder)
    frame = study_frame(project, made)
    if args.report:
        Path(args.report).expanduser().write_text(study_report(made, frame), encoding="utf-8")
    if args.peft:
        write_peft_records(project, made, Path(args.peft).expanduser())
    return _report(made, frame)


def _plan(args: argparse.Namespace) -> Any:
    from core.insight.study import STANDARD_ARMS, Study, arms_of, parse_arm

    args.method = None
    chosen = tuple(parse_arm(text) for text in args.arm or ()) + (arms_of(args.parts_of) if args.parts_of else ())
    arms = tuple({arm.label: arm for arm in chosen}.values()) or STANDARD_ARMS
    shares = tuple(args.share) if args.share else (1.0,)
    tasks = tuple(args.task) if args.task else None
    return Study(args.name, build_config(args), arms, tuple(range(args.seeds)), shares, args.fair, tasks)


def _tell(line: ProgressLine, place: tuple[Any, int, int], status: Any) -> None:
    from core.insight.jobs import note_progress

    cell, number, total = place
    share = (number - 1 + status.progress) / total
    text = f"run {number} of {total}: {cell.arm}, seed {cell.seed}, {status.stage or status.state}"
    line.show(progress_bar(share, text), is_new_phase=status.progress == 0.0)
    note_progress(round(1000 * share * total), 1000 * total)


def _tell_all(line: ProgressLine, name: str, statuses: list[Any]) -> None:
    from core.insight.jobs import note_progress

    share = sum(status.progress for status in statuses) / len(statuses)
    ended = sum(status.is_terminal for status in statuses)
    working = sum(status.is_live and status.state not in ("pending", "queued") for status in statuses)
    text = f"{ended} of {len(statuses)} runs have ended, {working} at work on {name}"
    line.show(progress_bar(share, text), note=word_waiting(statuses))
    note_progress(round(1000 * share * len(statuses)), 1000 * len(statuses))


def _report(made: Any, frame: Any) -> Report:
    from core.insight.study_tables import against_reference, summarise_study, task_scores

    summary, gaps = summarise_study(frame), against_reference(frame, made.arms[0].label)
    rows = [
        [
            r.arm,
            r.share,
            r.seeds,
            f"{100 * r.mean:.1f}",
            None if r.low != r.low else f"[{100 * r.low:.1f}, {100 * r.high:.1f}]",
            None if r.rank != r.rank else r.rank,
            r.parameters,
            None if r.seconds != r.seconds else r.seconds,
        ]
        for r in summary.itertuples()
    ]
    heads = ["arm", "share", "seeds", "mean", "95 % over seeds", "rank", "parameters", "seconds"]
    tasks = task_scores(frame).reset_index()
    value = {name: _records(part) for name, part in (("summary", summary), ("gaps", gaps), ("tasks", tasks))}
    return Report({"study": made.name, **value}, table(rows, heads))


def _records(frame: Any) -> list[dict[str, Any]]:
    """Rows as JSON values: NaN becomes null."""
    plain: list[dict[str, Any]] = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return plain
