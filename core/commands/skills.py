"""skills RUN: the allocation as a table, with sentences"""

from __future__ import annotations

import argparse
from typing import Any

from core.adapters.skill import COMMON
from core.commands.output import Report, Verbs, add_verb, table
from core.commands.runs import find_run


def add_parser(verbs: Verbs) -> None:
    parser = add_verb(verbs, "skills", skills, "which task uses which skill")
    parser.add_argument("run", help="run id, or a unique beginning of it")
    parser.add_argument("--layer", help="one layer (default: where the tasks differ most)")
    parser.add_argument(
        "--head", type=int, metavar="N", help="one routing head (default: where the tasks differ most)"
    )
    parser.add_argument("--task", metavar="NAME", help="one task over all layers")
    parser.add_argument("--step", type=int, metavar="N", help="as it was after this step, or the last before it")
    parser.add_argument("--other", metavar="RUN", help="which tasks are more or less alike in a second run")
    parser.add_argument("--name", metavar="SKILL=NAME", help="give a common skill a name (empty: its own again)")
    parser.add_argument(
        "--draft", action="store_true", help="draft names of common skills from the rows they change"
    )
    alike = "which tasks pull the common skills the same way before anything is learned"
    parser.add_argument("--pull", action="store_true", help=alike)
    parser.add_argument("--measure", action="store_true", help="measure anew what the skills add and do")
    parser.add_argument("--layers", action="store_true", help="list the layers")


def skills(args: argparse.Namespace) -> Report:
    from core.insight import allocation, allocation_cuts

    folder = find_run(args)
    if args.name:
        _name(folder, args.name)
    if args.measure:
        _measure(folder)
    if args.draft:
        _draft(folder)
    found = _at_step(folder.path, args.step) if args.step is not None else allocation.read_allocation(folder.path)
    if args.layers:
        return _list_layers(found)
    if args.pull:
        return _pulls(folder)
    if args.other:
        return _difference(found, find_run(argparse.Namespace(workspace=args.workspace, run=args.other)).path)
    if args.task:
        return _one_task(allocation_cuts.task_by_layer(found, args.task, args.head))
    return _all_tasks(folder.path, found, allocation_cuts.pick_layer(found, args.layer, args.head))


def _all_tasks(run_dir: Any, found: Any, place: int) -> Report:
    from core.insight.allocation import layer_table, own_layers, uniform_weight
    from core.insight.contribution_table import output_share, read_contributions
    from core.insight.evidence import read_evidence
    from core.insight.layer_names import tell_layer
    from core.insight.skill_notes import describe_skill_notes

    parts, evidence = read_contributions(run_dir), read_evidence(run_dir)
    share = output_share(parts) if parts else None
    weights, layer = layer_table(found, place), found.layers[place]
    sentences = [*_told(found, evidence, share), *(s.text for s in describe_skill_notes(run_dir))]
    value = {
        "layer": layer,
        "weights": weights.to_dict("index"),
        "own_layers": own_layers(found),
        "share": None if share is None else share.to_dict("index"),
        "weight_similarity": parts.similarity.to_dict("index") if parts and parts.similarity is not None else None,
        "evidence": None if evidence is None else _evidence_value(evidence),
        "sentences": sentences,
        **_numbers(run_dir, found),
    }
    common = [found.skills[i].name for i in found.columns(COMMON)]
    own = {} if common else own_layers(found)  # of methods that share nothing there is nothing else to show
    names = [
        *common,
        *([] if share is None else ["common share", "private share"]),
        *(["own layers"] if own else []),
    ]
    shares = {task: [] if share is None else list(share.loc[task]) for task in weights.index}
    counts = {task: [f"{count} of {len(found.layers)}"] for task, count in own.items()}
    rows = [[task, *weights.loc[task, common], *shares[task], *counts.get(task, [])] for task in weights.index]
    lines = [_layers_of_one(found) if found.is_lone else table(rows, ["task", *names])]
    if common and not found.is_lone and len(found.layers) > 1:
        lines.append("\n" + tell_layer(found, place).text)
    if len(common) > 1:
        lines.append(f"an even share of a common skill is {uniform_weight(found):.3f}")
    return Report(value, "\n".join([*lines, "", *sentences]).lstrip("\n"))


def _layers_of_one(found: Any) -> str:
    """Of one adapter for all tasks: what its layers have, where they differ (AdaLoRA's ranks)."""
    from core.insight.layer_names import name_layer

    values = found.weights[:, 0, 0]
    if len(set(values.tolist())) < 2:
        return ""
    rows = [[name_layer(name, found.layers).text, value] for name, value in zip(found.layers, values, strict=True)]
    return table(rows, ["layer", found.skills[0].name])


def _told(found: Any, evidence: Any, share: Any) -> list[str]:
    """What was measured and what that proposes; where it was not, what the weights show beyond chance."""
    from core.insight.advice import describe_advice
    from core.insight.contribution_table import describe_share
    from core.insight.evidence_words import describe_evidence
    from core.insight.sentences import describe_allocation

    measured = evidence is not None  # then weights are no second opinion in words
    told = [*describe_evidence(evidence), *describe_advice(evidence)] if measured else describe_allocation(found)
    return [sentence.text for sentence in [*told, *(describe_share(share) if share is not None else [])]]


def _numbers(run_dir: Any, found: Any) -> dict[str, Any]:
    from core.insight import allocation
    from core.insight.snapshots import read_snapshots

    enough = len(found.tasks) >= allocation.FEWEST_TASKS
    return {
        "numbers": allocation.allocation_numbers(found),
        "similarity": allocation.task_similarity(found, centred=True).to_dict("index") if enough else None,
        "effective_skills": allocation.task_effective_skills(found).to_dict(),
        "over_time": read_snapshots(run_dir).curves.to_dict("records"),
    }


def _evidence_value(evidence: Any) -> dict[str, Any]:
    """Changes of the loss in nats per answer token, None where nothing can change."""
    tables = {"without_skill": evidence.skills, "without_kind": evidence.kinds, "with_row_of": evidence.borrowed}
    return {
        name: {
            part: getattr(change, part).astype(object).where(getattr(change, part).notna(), None).to_dict("index")
            for part in ("value", "low", "high")
        }
        for name, change in tables.items()
    } | {
        "lost_without_common": evidence.common_share.astype(object)
        .where(evidence.common_share.notna(), None)
        .to_dict(),
        "pull": None if evidence.pull is None else _pull_value(evidence.pull),
    }


def _list_layers(found: Any) -> Report:
    """What `--layer` takes, and which layer that is."""
    from core.insight.layer_names import name_layer

    rows = [[name, name_layer(name, found.layers).text] for name in found.layers]
    return Report(list(found.layers), table(rows, ["--layer", "where it is"]))


def _pulls(folder: Any) -> Report:
    """Cosines of every two tasks' first gradients, the level of chance, and the pairs above it."""
    from core.base.errors import RunError
    from core.insight.evidence import read_evidence
    from core.insight.pull import describe_pull

    evidence = read_evidence(folder.path)
    found = evidence.pull if evidence else None
    if found is None:
        raise RunError("insight.no_pull", run=folder.run_id)
    rows = [[task, *(f"{v:+.2f}" for v in found.cosine.loc[task])] for task in found.cosine.index]
    few = "Too few check rows to tell a pair from chance: with three tasks it takes five of each."
    none = "No pair is told: none is above that level." if found.can_tell else few
    told = [sentence.text for sentence in describe_pull(found)] or [none]
    level = (
        f"A pair is told above {found.limit:.2f} (by chance up to {found.chance:.2f}; {found.rows} rows a task)."
    )
    value = {**_pull_value(found), "sentences": told}
    return Report(value, "\n".join([table(rows, ["task", *map(str, found.cosine.columns)]), "", level, *told]))


def _pull_value(found: Any) -> dict[str, Any]:
    known = {"cosine": found.cosine.to_dict("index"), "chance": found.chance, "limit": found.limit}
    return {**known, "rows": found.rows, "pairs": found.pairs()}


def _one_task(weights: Any) -> Report:
    from core.insight.layer_names import name_layer

    names = list(map(str, weights.index))
    rows = [[name_layer(name, names).text, *weights.loc[name]] for name in names]
    return Report({"weights": weights.to_dict("index")}, table(rows, ["layer", *map(str, weights.columns)]))


def _difference(found: Any, other: Any) -> Report:
    from core.insight.allocation import read_allocation
    from core.insight.allocation_cuts import difference_of_runs

    change = difference_of_runs(found, read_allocation(other))
    rows = [[task, *(f"{v:+.2f}" for v in change.loc[task])] for task in change.index]
    return Report({"difference": change.to_dict("index")}, table(rows, ["task", *map(str, change.columns)]))


def _at_step(run_dir: Any, step: int) -> Any:
    """The newest snapshot that is not after this step."""
    from core.base.errors import RunError
    from core.insight.snapshots import read_snapshots

    snapshots = read_snapshots(run_dir)
    steps = [snapshots.average(i).step or 0 for i in range(len(snapshots))]
    fitting = [i for i, taken in enumerate(steps) if taken <= step]
    if not fitting:
        raise RunError("insight.no_allocation", run=run_dir.name)
    return snapshots[fitting[-1]]


def _name(folder: Any, text: str) -> None:
    """Names are the run's: tables, sentences and pictures use them from here on."""
    from core.runs.skill_names import name_skill

    skill, _, name = text.partition("=")
    name_skill(folder.path, skill.strip(), name)


def _draft(folder: Any) -> None:
    from core.base.errors import RunError
    from core.insight.evidence import read_evidence
    from core.insight.skill_drafts import write_drafts

    found = read_evidence(folder.path)
    if found is None or not found.row_changes:
        raise RunError("insight.no_rows", run=folder.run_id)
    write_drafts(folder.path)


def _measure(folder: Any) -> None:

    from core.asking.measuring import measure_run  # torch
    from core.commands.device import hold_device

    with hold_device(folder, "evaluation"):
        measure_run(folder.path)
