"""How much faster the exam answers than a loop that calls `generate` once a question, and whether it says the same.

    PYTHONPATH=. python tests/benchmarks/evaluation_speed.py [--rows 32] [--repeats 3] [--steps 60] [--write]

The starter tuned on the sample project for some steps, then questions of its exam, answered by the tuned and by the
untouched model as every exam does. Both ways are run in turn, A B A B, in the same process; ratios of processor
seconds and of wall time, medians, and of the sums over all tasks. --write puts the table into
assets/docs/evaluation_speed.md.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402
from stages import Study  # noqa: E402

from core.evaluation.exam import BASE, TUNED, Examiner, ExamSettings  # noqa: E402
from core.tasks.changing.sample import load_sample  # noqa: E402
from core.tasks.dataset import TaskDataset, load_dataset_of  # noqa: E402
from core.tasks.encoding import encode_prompt  # noqa: E402
from core.training.config import RunConfig, change_config  # noqa: E402
from core.workspace import Workspace  # noqa: E402

PAGE = ROOT / "assets" / "docs" / "evaluation_speed.md"


@dataclass(frozen=True)
class Paper:
    """Questions of one task for one of the two models."""

    task: int
    who: str
    prompts: list[str]


def one_by_one(examiner: Examiner, paper: Paper, longest: int) -> list[str]:
    """The plain loop: tokenise, generate, decode, one question after the other."""
    base, texts = examiner.base, []
    for prompt in paper.prompts:
        ids = encode_prompt(base.tokenizer, prompt, base.architecture, base.context, reserve=longest).input_ids
        given = torch.tensor([ids])
        with examiner.model.disabled() if paper.who == BASE else nullcontext():
            output = examiner.model.generate(
                input_ids=given,
                attention_mask=torch.ones_like(given),
                task_ids=[paper.task],
                max_new_tokens=longest,
                do_sample=False,
            )
        texts.append(base.tokenizer.decode(output[0, len(ids) :], skip_special_tokens=True).strip())
    return texts


def together(examiner: Examiner, dataset: TaskDataset, paper: Paper) -> list[str]:
    texts = [""] * len(paper.prompts)
    for places, answers in examiner.answer_all(dataset, paper.task, paper.prompts, paper.who):
        for place, text in zip(places, answers, strict=True):
            texts[place] = text
    return texts


def timed(run: Callable[[], list[str]]) -> tuple[float, float, list[str]]:
    began, processor = time.perf_counter(), time.process_time()
    texts = run()
    return time.perf_counter() - began, time.process_time() - processor, texts


def tuned_examiner(steps: int) -> tuple[Examiner, TaskDataset]:
    """The starter after some steps of the default method on the sample project."""
    with tempfile.TemporaryDirectory() as folder:
        project = Workspace(folder).create_project("Sample")
        load_sample(project)
        dataset = load_dataset_of(project)
    config = change_config(RunConfig(), {"num_threads": 1, "device": "cpu", "precision": "float32"})
    study = Study(dataset, config)
    study.run(1, steps)
    settings = ExamSettings(None, config.exam_batch_size, None, config.max_tokens)
    return Examiner(study.base, study.answers.modular.eval(), settings), dataset


def measure(examiner: Examiner, dataset: TaskDataset, paper: Paper, repeats: int) -> tuple[list[float], int]:
    """Medians of (loop wall, loop processor, exam wall, exam processor) seconds; how many answers are the same."""
    longest = examiner.answer_length(dataset, paper.task)
    times, same = [], 0
    for _ in range(repeats):
        loop = timed(lambda: one_by_one(examiner, paper, longest))
        batches = timed(lambda: together(examiner, dataset, paper))
        times.append((*loop[:2], *batches[:2]))
        same = sum(a == b for a, b in zip(loop[2], batches[2], strict=True))
    return [statistics.median(column) for column in zip(*times, strict=True)], same


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    examiner, dataset = tuned_examiner(arguments.steps)
    lines = [
        "| task | model | longest answer | processor time | wall time | same answers |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    sums, count, equal = [0.0] * 4, 0, 0
    for task, name in enumerate(dataset.names()):
        prompts = [e.prompt for e in dataset.split(task, "test")[: arguments.rows]]
        for who in (TUNED, BASE):
            times, same = measure(examiner, dataset, Paper(task, who, prompts), arguments.repeats)
            sums = [a + b for a, b in zip(sums, times, strict=True)]
            count, equal = count + len(prompts), equal + same
            head = f"{name} | {who} | {examiner.answer_length(dataset, task)}"
            lines.append(row(head, times, same, len(prompts)))
            print(lines[-1], flush=True)
    lines.append(row("**all** | both | ", sums, equal, count))
    print(lines[-1])
    if arguments.write:
        PAGE.write_text(page(lines, arguments), encoding="utf-8")


def row(head: str, times: list[float], same: int, count: int) -> str:
    wall, processor = times[0] / times[2], times[1] / times[3]
    return f"| {head} | {processor:.1f} x | {wall:.1f} x | {same} of {count} |"


def page(lines: list[str], arguments: argparse.Namespace) -> str:
    table = "\n".join(lines)
    rows, repeats, steps = arguments.rows, arguments.repeats, arguments.steps
    size = RunConfig().exam_batch_size
    return f"""# How fast the exam answers

A loop that calls `generate` once a question, divided by the exam ({size} questions side by side, sorted by length,
padded on the left; a finished answer's place goes to the next question): {rows} questions a task, medians of
{repeats} interleaved repeats, one thread, fp32, the starter after {steps} steps on the sample project. Greedy
decoding; where two tokens are equally likely to the last bits, another order of additions may choose the other one.

{table}

Made by `PYTHONPATH=. python tests/benchmarks/evaluation_speed.py --rows {rows} --repeats {repeats} --write`.
"""


if __name__ == "__main__":
    main()
