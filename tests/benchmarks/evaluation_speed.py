"""How much faster the exam answers than a loop that calls `generate` once a question, and whether it says the same.

    python tests/benchmarks/evaluation_speed.py [--rows 32] [--repeats 3] [--write]

The starter with a C-Poly adapter of random numbers (an untrained one would answer nothing sensible either, and the
lengths of the answers are what matters), questions of the sample project. Both ways are run in turn, A B A B, in
the same process; ratios of processor seconds and of wall time, medians. --write puts the table into
assets/docs/evaluation_speed.md.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402

from core.evaluation.exam import TUNED, Examiner, ExamSettings  # noqa: E402
from core.models.loading import load_base  # noqa: E402
from core.models.modular import build_modular  # noqa: E402
from core.tasks.batching import encode_prompt  # noqa: E402
from core.tasks.dataset import TaskDataset, load_dataset_of  # noqa: E402
from core.tasks.sample import load_sample  # noqa: E402
from core.training.config import RunConfig  # noqa: E402
from core.workspace import Workspace  # noqa: E402

PAGE = ROOT / "assets" / "docs" / "evaluation_speed.md"


def one_by_one(examiner: Examiner, prompts: list[str], task: int, longest: int) -> list[str]:
    """The plain loop: tokenise, generate, decode, one question after the other."""
    base, texts = examiner.base, []
    for prompt in prompts:
        ids = encode_prompt(base.tokenizer, prompt, base.architecture, base.context, reserve=longest).input_ids
        given = torch.tensor([ids])
        output = examiner.model.generate(
            input_ids=given, attention_mask=torch.ones_like(given), task_ids=[task],
            generation_config=examiner._generation(longest),
        )
        texts.append(base.tokenizer.decode(output[0, len(ids) :], skip_special_tokens=True).strip())
    return texts


def together(examiner: Examiner, dataset: TaskDataset, prompts: list[str], task: int) -> list[str]:
    texts = [""] * len(prompts)
    for places, answers in examiner.answer_all(dataset, task, prompts, TUNED):
        for place, text in zip(places, answers, strict=True):
            texts[place] = text
    return texts


def timed(run: Callable[[], list[str]]) -> tuple[float, float, list[str]]:
    began, processor = time.perf_counter(), time.process_time()
    texts = run()
    return time.perf_counter() - began, time.process_time() - processor, texts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        project = Workspace(folder).create_project("Sample")
        load_sample(project)
        dataset = load_dataset_of(project)
    base = load_base(RunConfig().base_model)
    model = build_modular(base, "cpoly", None, dataset.names()).eval()
    with torch.no_grad():
        for parameter in model.adapter.parameters():
            parameter.add_(0.02 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)))
    examiner = Examiner(base, model, ExamSettings(None, RunConfig().exam_batch_size, None, RunConfig().max_tokens))
    heads = "| task | longest answer | processor time | wall time | same answers |"
    lines = [heads, "| --- | ---: | ---: | ---: | ---: |"]
    for task, name in enumerate(dataset.names()):
        prompts = [e.prompt for e in dataset.split(task, "test")[: arguments.rows]]
        longest = examiner.answer_length(dataset, task)
        loops, batches, same = [], [], 0
        for _ in range(arguments.repeats):
            loops.append(timed(lambda: one_by_one(examiner, prompts, task, longest)))  # noqa: B023
            batches.append(timed(lambda: together(examiner, dataset, prompts, task)))  # noqa: B023
            same = sum(a == b for a, b in zip(loops[-1][2], batches[-1][2], strict=True))
        wall, processor = (
            statistics.median(a[i] / b[i] for a, b in zip(loops, batches, strict=True)) for i in (0, 1)
        )
        row = f"| {name} | {longest} | {processor:.1f} x | {wall:.1f} x | {same} of {len(prompts)} |"
        print(row, flush=True)
        lines.append(row)
    if arguments.write:
        PAGE.write_text(page(lines, arguments.rows, arguments.repeats), encoding="utf-8")


def page(lines: list[str], rows: int, repeats: int) -> str:
    table = "\n".join(lines)
    size = RunConfig().exam_batch_size
    return f"""# How fast the exam answers

A loop that calls `generate` once a question, divided by the exam's batches of {size} (sorted by length, padded on
the left, ended at the end of the answers): {rows} questions a task, medians of {repeats} interleaved repeats, one
thread, fp32, the starter model. Greedy decoding; where two tokens are equally likely to the last bits, another
order of additions may choose the other one.

{table}

Made by `python tests/benchmarks/evaluation_speed.py --rows {rows} --repeats {repeats} --write`.
"""


if __name__ == "__main__":
    main()
