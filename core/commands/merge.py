"""merge RUN...: the LoRAs of several tasks merged into one adapter, examined and usable like a run"""

from __future__ import annotations

import argparse
from functools import partial
from typing import Any

from core.commands.device import hold_device
from core.commands.output import ProgressLine, Report, Verbs, add_verb, table


def add_parser(verbs: Verbs) -> None:
    from core.merge.table import METAGPT, WAYS

    parser = add_verb(verbs, "merge", merge, "merge the LoRAs of several tasks into one adapter")
    parser.add_argument("run", nargs="+", help="runs on the same base model: ids or unique beginnings")
    parser.add_argument("--task", action="append", metavar="NAME", help="only this task; repeat for several")
    parser.add_argument("--way", default=METAGPT, choices=WAYS, help="how to merge (default: metagpt)")
    parser.add_argument("--scale", type=float, help="factor of every task (task_arithmetic 0.3, ties 1, dare 1/T)")
    parser.add_argument("--density", type=float, help="share of the numbers that ties (0.2) and dare (0.5) keep")
    parser.add_argument("--rank", type=int, help="rank of the result (default: for all)")
    parser.add_argument("--top", type=int, default=3, metavar="K", help="LoRAs that answer for one token (arrow)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the numbers that dare drops")
    parser.add_argument("--rows", type=int, metavar="N", help="exam rows a task; 0: no exam (default: as the run)")
    parser.add_argument("--name", help="name of the new run")


def merge(args: argparse.Namespace) -> Report:

    from core.merge.run import MergeRequest, merge_runs  # torch
    from core.merge.table import MergeSettings
    from core.runs.folder import RunFolder
    from core.workspace import Workspace

    workspace = Workspace(args.workspace)
    folders = [RunFolder(workspace.find_run_dir(name)) for name in dict.fromkeys(args.run)]
    settings = MergeSettings(args.way, args.scale, args.density, args.rank, args.seed, args.top)
    config = folders[0].read_config()
    rows = config.exam_rows if args.rows is None else args.rows
    request = MergeRequest(settings, tuple(args.task) if args.task else None, args.name, rows)
    line = ProgressLine(args.json)
    with hold_device(folders[0], "evaluation"):
        run_dir = merge_runs(folders, request, partial(_tell, line))
    line.end()
    return _report(RunFolder(run_dir))


def _tell(line: ProgressLine, done: int, total: int) -> None:
    line.step(done, total, f"exam, answer {done} of {total}")


def _report(folder: Any) -> Report:
    from core.commands.evaluate import exam_report
    from core.merge.table import read_merge
    from core.messages import Sentence

    found = read_merge(folder.path)
    rows = [
        [task, f"{norm:.3f}", f"{factor:.4f}", *(f"{cosine:.2f}" for cosine in row)]
        for task, norm, factor, row in zip(found.tasks, found.norms, found.factors, found.cosines, strict=True)
    ]
    heads = ["task", "norm", "lambda", *(f"cos {i + 1}" for i in range(len(rows)))]
    how = f"Merged by {found.way} at rank {found.rank}; {100 * found.kept:.1f} % kept."
    if found.top is not None:
        how = f"Nothing was added up: in every layer a token is answered by the {found.top} LoRAs that fit it."
    lines = [table(rows, heads), "", how]
    if found.is_of_one_adapter:
        lines.append(Sentence("merge.one_adapter").text)
    value: dict[str, Any] = {"run_id": folder.run_id, "merge": found.as_dict()}
    if folder.read_results() is not None:
        exam = exam_report(folder)
        value |= exam.value
        lines += ["", exam.text]
    lines.append(f"\nThe merged run: {folder.run_id}. Ask it: python -m core ask {folder.run_id} --task auto TEXT")
    return Report(value, "\n".join(lines))
