"""skills RUN: the allocation as a table, with sentences"""

from __future__ import annotations

import argparse

from core.commands.output import Report, Verbs, add_verb, table
from core.commands.runs import find_run


def add_parser(verbs: Verbs) -> None:
    parser = add_verb(verbs, "skills", skills, "which task uses which skill")
    parser.add_argument("run", help="run id, or a unique beginning of it")
    parser.add_argument("--layer", help="one layer (default: averaged over all)")
    parser.add_argument("--layers", action="store_true", help="list the layers")


def skills(args: argparse.Namespace) -> Report:
    from core.insight import allocation as tables
    from core.insight.sentences import describe_allocation

    found = tables.read_allocation(find_run(args).path)
    if args.layers:
        return Report(list(found.layers), "\n".join(found.layers))
    weights = tables.layer_allocation(found, args.layer) if args.layer else tables.average_allocation(found)
    share, similarity = tables.private_share(found), tables.task_similarity(found)
    numbers = tables.allocation_numbers(found)
    sentences = [sentence.text for sentence in describe_allocation(found)]
    value = {
        "layer": args.layer, "weights": weights.to_dict("index"), "share": share.to_dict("index"),
        "similarity": similarity.to_dict("index"), "numbers": numbers, "sentences": sentences,
        "effective_skills": tables.task_effective_skills(found).to_dict(),
    }
    common = [found.skills[i].name for i in found.columns(tables.COMMON)]
    rows = [[task, *weights.loc[task, common], *share.loc[task]] for task in weights.index]
    lines = [table(rows, ["task", *common, "common share", "private share"])]
    if len(found.columns(tables.COMMON)) > 1:
        lines.append(f"\nan even share of a common skill is {tables.uniform_weight(found):.3f}")
    return Report(value, "\n".join([*lines, "", *sentences]))
