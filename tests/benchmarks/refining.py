"""Does refining help? Exam questions of a run answered plainly and with the refine loop, compared in pairs.

    python tests/benchmarks/refining.py RUN [--workspace DIR] [--rows 40] [--rounds 2]

Prints for each task the plain and the refined score, their paired difference with its 95 % interval, how many first
answers were not valid, and how many answers the loop changed. Nothing is tuned on these rows.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from core.chat.client import ChatClient  # noqa: E402
from core.chat.protocol import ask  # noqa: E402
from core.chat.question_files import Question, answer_questions  # noqa: E402
from core.chat.refining import build_rule  # noqa: E402
from core.chat.retrieving import load_index  # noqa: E402
from core.evaluation.metrics import compare, score  # noqa: E402
from core.tasks.cell_text import input_text  # noqa: E402
from core.tasks.dataset import load_saved_tasks, render_target  # noqa: E402
from core.tasks.store import read_rows, task_dir  # noqa: E402
from core.workspace import Workspace  # noqa: E402


def measure(client: ChatClient, run_dir: Path, folder: Path, spec: Any, how: tuple[int, int]) -> dict[str, Any]:
    rows, rounds = how
    questions = [
        Question(line, {name: input_text(row.get(name)) for name in spec.inputs}, render_target(spec, row), row)
        for line, row in read_rows(folder, "test")
    ][:rows]
    texts: list[list[str]] = []
    for refine in (0, rounds):
        request = ask(run_dir, spec.name, "-", refine=refine)
        found = dict(answer_questions(client, request, questions))
        texts.append([found[place].text for place in range(len(questions))])
    wanted = [question.target for question in questions]
    rule = build_rule(spec, load_index(run_dir, spec.name)[1].rows)
    valid = Counter(
        None if rule is None else rule("\n".join(q.inputs.values()), text)
        for q, text in zip(questions, texts[0], strict=True)
    )
    return {
        "task": spec.name,
        "metric": spec.metric,
        "rows": len(wanted),
        "plain": score(spec.metric, texts[0], wanted).value,
        "refined": score(spec.metric, texts[1], wanted).value,
        "difference": compare(spec.metric, texts[0], texts[1], wanted).as_dict(),
        "has_rule": rule is not None,
        "first_not_valid": valid[False],
        "changed": sum(a != b for a, b in zip(*texts, strict=True)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("--workspace")
    parser.add_argument("--rows", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=2)
    arguments = parser.parse_args()
    workspace = Workspace(arguments.workspace)
    run_dir = workspace.find_run_dir(arguments.run).resolve()
    project = workspace.project_of_run(run_dir)
    client = ChatClient()
    try:
        for spec in load_saved_tasks(run_dir / "data"):
            folder = task_dir(project, spec.task_id)
            found = measure(client, run_dir, folder, spec, (arguments.rows, arguments.rounds))
            print(json.dumps(found, ensure_ascii=False), flush=True)
    finally:
        client.close()


if __name__ == "__main__":
    main()
