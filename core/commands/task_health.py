"""task health | fix | undo | versions | diff | problems | see | mixture: what is wrong, and what a run sees"""

from __future__ import annotations

import argparse
from typing import Any

from core.commands.output import Report, Verbs, add_verb, said, table, write_file
from core.commands.task_options import on_task, project_of
from core.messages.plural import counted


def add_actions(actions: Verbs) -> None:
    health = add_verb(actions, "health", report_health, "what is wrong with the rows, task by task and between")
    health.add_argument("project")
    health.add_argument("task", nargs="*", help="tasks to look at (default: all)")
    health.add_argument("--base-model", default="starter", metavar="PATH_OR_ID", help="whose tokens are counted")
    health.add_argument("--max-tokens", type=int, default=512, metavar="N", help="length limit (default 512)")
    health.add_argument("--export", metavar="FILE", help="write the report there as csv")
    fixing = on_task(actions, "fix", fix_task, "mend the rows of a finding; `task health` names the fixes")
    fixing.add_argument("fix", help="name of the fix, such as drop_duplicates")
    on_task(actions, "undo", undo, "take back the latest change of a task")
    on_task(actions, "versions", versions, "the versions of a task; runs record the one they used")
    diff = on_task(actions, "diff", diff_task, "what changed in a task since one of its versions")
    diff.add_argument("version", type=int, help="number of the version to compare with")
    diff.add_argument("--export", metavar="FILE", help="write all differing rows there as JSON lines")
    problems = on_task(actions, "problems", show_problems, "rows the import left out or changed, with reasons")
    problems.add_argument("--export", metavar="FILE", help="write them there as csv")
    seeing = on_task(actions, "see", see, "examples exactly as a base model sees them, with their tokens")
    seeing.add_argument("--base-model", default="starter", metavar="PATH_OR_ID", help="whose turn marks and tokens")
    seeing.add_argument("--max-tokens", type=int, default=512, metavar="N", help="length limit (default 512)")
    seeing.add_argument("--rows", type=int, default=2, metavar="N", help="examples to print (default 2)")
    mixture = add_verb(actions, "mixture", show_mixture, "each task's share of a run, and passes over its rows")
    mixture.add_argument("project")
    mixture.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of the run")


def report_health(args: argparse.Namespace) -> Report:
    from core.messages import english
    from core.models.seeing import length_limit
    from core.tasks.changing.exporting import export_health
    from core.tasks.changing.isolation import health_isolated

    project = project_of(args)
    limit = length_limit(args.base_model, args.max_tokens)
    found = health_isolated(project, args.task or None, limit)
    lines: list[str] = []
    for title, findings in [*((t.name, t.findings) for t in found.tasks), ("between tasks", found.across)]:
        lines += [*([""] if lines else []), f"{title}:" if findings else f"{title}: nothing stands out"]
        for finding in findings:
            message, hint = english(finding.key, {"count": finding.count, **finding.values})
            places = ", ".join(f"{split}:{line}" for split, line in finding.places[:5])
            lines.append(f"- [{finding.severity}] {message} {hint}")
            lines += [f"  rows: {places}{' ...' if finding.count > 5 else ''}"] if places else []
            lines += [f"  fix: {finding.fix}"] if finding.fix else []
    value = {**found.as_dict(), "tokens": "estimated" if limit.token_file is None else args.base_model}
    if args.export:
        value["file"] = str(write_file(args.export, export_health(found, english)))
        lines += ["", value["file"]]
    return Report(value, "\n".join(lines))


def fix_task(args: argparse.Namespace) -> Report:
    from core.tasks.changing.fixes import apply_fix

    done = apply_fix(project_of(args), args.task, args.fix)
    value = {
        "task": done.task.name,
        "fix": args.fix,
        "rows": done.count,
        "exam_rows": done.exam,
        "version": done.task.version,
        **done.task.num_examples,
    }
    exam = f" Among them {done.exam} of the final exam: earlier exam scores no longer compare." if done.exam else ""
    rows = counted(done.count, "row|rows")
    return Report(value, f"{done.task.name}: {rows} changed; version {done.task.version}.{exam}")


def undo(args: argparse.Namespace) -> Report:
    from core.tasks.changing.versions import undo_change

    spec = undo_change(project_of(args), args.task)
    value = {"task": spec.name, "version": spec.version, **spec.num_examples}
    return Report(value, f"{spec.name} is as it was in version {spec.version}.")


def versions(args: argparse.Namespace) -> Report:
    import time

    from core.tasks.changing.versions import list_versions
    from core.tasks.store import get_task

    project = project_of(args)
    spec = get_task(project, args.task)
    earlier = list_versions(project, spec.task_id)
    value = {"current": spec.version, "earlier": [v.__dict__ for v in earlier]}
    rows = [[v.number, v.change, v.count, time.strftime("%Y-%m-%d %H:%M", time.localtime(v.time))] for v in earlier]
    text = table(rows, ["version", "ended by", "rows", "at"]) if rows else "No change yet."
    return Report(value, f"{text}\nNow: version {spec.version}.")


def diff_task(args: argparse.Namespace) -> Report:
    from core.tasks.changing.versions import compare_specs, compare_versions, export_difference, read_version
    from core.tasks.store import get_task

    project = project_of(args)
    spec = get_task(project, args.task)
    settings = compare_specs(read_version(project, spec.task_id, args.version), spec)
    rows = compare_versions(project, spec.task_id, args.version)
    counts = {
        "added": sum(1 for d in rows if d.before is None),
        "removed": sum(1 for d in rows if d.after is None),
        "changed": sum(1 for d in rows if d.before and d.after),
    }
    value: dict[str, Any] = {"from": args.version, "to": spec.version, "settings": settings, **counts}
    lines = [f"{name}: {old!r} -> {new!r}" for name, (old, new) in settings.items()]
    lines.append("rows: " + ", ".join(f"{n} {what}" for what, n in counts.items()))
    if args.export:
        value["file"] = str(write_file(args.export, export_difference(rows).encode()))
        lines.append(value["file"])
    return Report(value, "\n".join(lines))


def show_problems(args: argparse.Namespace) -> Report:
    from core.messages import english
    from core.tasks.changing.exporting import export_problems
    from core.tasks.store import read_problems

    found = read_problems(project_of(args), args.task)
    value: dict[str, Any] = {"problems": [p.as_dict() for p in found]}
    lines = [said(p) for p in found] or ["Every row was read."]
    if args.export:
        value["file"] = str(write_file(args.export, export_problems(found, english)))
        lines = [value["file"]]
    return Report(value, "\n".join(lines))


def see(args: argparse.Namespace) -> Report:
    from dataclasses import asdict

    from core.models.seeing import see_examples
    from core.tasks.dataset import load_dataset_of

    dataset = load_dataset_of(project_of(args), [args.task])
    seen = see_examples(args.base_model, dataset.split(0, "train")[: max(0, args.rows)], args.max_tokens)
    lines = []
    for e in seen.examples:
        read, left = counted(e.num_read, "token|tokens"), counted(e.num_cut, "token|tokens")
        cut = f", {left} left out of {', '.join(e.cut_columns) or 'the prompt'}" if e.num_cut else ""
        cut += ", does not fit: LEFT OUT of the training" if e.is_left_out else ""
        lines.append(f"--- read: {read}, learned: {e.num_learned}, limit {e.limit}{cut}\n{e.read}")
        lines.append(f"--- learned\n{e.learned}\n")
    return Report(asdict(seen), "\n".join(lines))


def show_mixture(args: argparse.Namespace) -> Report:
    from core.training.config import RunConfig, apply_assignments
    from core.training.plan import build_sampler, load_run_dataset, plan_run

    config = apply_assignments(RunConfig(), args.set)
    dataset = load_run_dataset(project_of(args), config)
    sampler, plan = build_sampler(config, dataset), plan_run(config, dataset)
    sides = list(zip(dataset.names(), sampler.sizes, sampler.counts(), plan.shares, plan.passes, strict=True))
    value = [{"task": t, "rows": r, "drawn": d, "share": s, "passes": p} for t, r, d, s, p in sides]
    rows = [[t, r, d, f"{100 * s:.1f} %", f"{p:.2f}"] for t, r, d, s, p in sides]
    heads = ["task", "practice rows", "drawn a pass", "share", "passes over its rows in all"]
    steps = counted(plan.total_steps, "step|steps")
    return Report(value, f"{config.mixture} mixture, {steps}\n{table(rows, heads)}")
