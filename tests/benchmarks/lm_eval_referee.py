"""lm-evaluation-harness as referee: what it counts through `python -m core serve` against the exam's own scores.

    python -m venv VENV && VENV/bin/pip install "lm_eval[api]==0.4.13" transformers
    python tests/benchmarks/lm_eval_referee.py RUN --workspace DIR --harness VENV/bin/python [--write]

The exam's questions of a finished run become offline tasks of the harness (`tests/references/lm_eval`), which asks
them twice: as chat (the columns alone; the endpoint words them) and as completions (the worded prompt, by the chat
form that goes with exports). In completions a task with labels is multiple choice, by the harness's accuracy; all
other answers are written and counted by the exam's metric. Every score must be the exam's, digit by digit, where
the run was trained with precision=float32, in which the endpoint computes on a processor; after an exam with
bfloat16 products a few written answers may differ. --write keeps the figures in assets/docs/lm-eval.json.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from core.base.files import read_json, write_json_atomic  # noqa: E402
from core.base.lines import read_records  # noqa: E402
from core.evaluation.exam import Examiner  # noqa: E402
from core.evaluation.labels import task_labels  # noqa: E402
from core.models.catalogue import find_model  # noqa: E402
from core.models.chat_form import save_tokenizer  # noqa: E402
from core.runs.folder import RunFolder  # noqa: E402
from core.tasks.dataset import TaskDataset, load_saved_dataset  # noqa: E402
from core.training.config import RunConfig  # noqa: E402
from core.training.examining import exam_settings  # noqa: E402
from core.workspace import Workspace  # noqa: E402

OUT = ROOT / "assets" / "docs" / "lm-eval.json"
FILES = ROOT / "tests" / "references" / "lm_eval"
START_S = 120


def answer_lengths(dataset: TaskDataset, config: RunConfig, tokenizer: Any, context: int) -> list[int]:
    """Tokens that the exam gives an answer of each task."""
    base: Any = SimpleNamespace(tokenizer=tokenizer, context=context, architecture="decoder")
    examiner = Examiner(base, None, exam_settings(config))  # type: ignore[arg-type]  # no model is asked here
    return [examiner.answer_length(dataset, task) for task in range(len(dataset.tasks))]


def questions_of(folder: RunFolder, dataset: TaskDataset, task: int, end: str) -> dict[str, list[dict[str, Any]]]:
    """By kind of call the exam's questions of a task as documents of the harness."""
    spec, labels = dataset.tasks[task], task_labels(dataset, task)
    found: dict[str, list[dict[str, Any]]] = {"chat": [], "completions": []}
    for record in read_records(folder.predictions_dir / f"{task}.jsonl"):
        example = dataset.split(task, "test")[record["row"]]
        columns = {name: example.prompt[begin:stop] for name, begin, stop in example.values}
        asked = json.dumps(columns, ensure_ascii=False) if len(spec.inputs) > 1 else columns[spec.inputs[0]]
        rest = {"target": record["target"], "metric": spec.metric, "answer": record["tuned"]}
        found["chat"].append({"question": asked, **rest})
        if labels:
            rest |= {"choices": [label + end for label in labels], "place": _place(labels, record["target"])}
        found["completions"].append({"question": str(record["prompt"]), **rest})
    return found


def _place(labels: list[str], target: str) -> int:
    """A label that practice never showed is no choice; the harness takes a place behind all for wrong."""
    return labels.index(target) if target in labels else len(labels)


def write_tasks(place: Path, folder: RunFolder, tokenizer: Any, context: int) -> list[dict[str, Any]]:
    """A YAML file and its questions for each task and kind of call -> the calls."""
    config, dataset, calls = folder.read_config(), load_saved_dataset(folder.data_dir), []
    lengths = answer_lengths(dataset, config, tokenizer, context)
    for task, spec in enumerate(dataset.tasks):
        for kind, documents in questions_of(folder, dataset, task, tokenizer.eos_token).items():
            name = f"exam_{task}_{kind}"
            data = place / f"{name}.jsonl"
            data.write_text("".join(json.dumps(d, ensure_ascii=False) + "\n" for d in documents), encoding="utf-8")
            chosen = "choices" in documents[0]
            own: dict[str, Any] = {
                "include": str(FILES / ("labels.yaml" if chosen else "written.yaml")),
                "task": name,
            }
            own["dataset_kwargs"] = {"data_files": {"test": str(data)}}
            if not chosen:
                own["generation_kwargs"] = {"until": [], "do_sample": False, "max_gen_toks": lengths[task]}
            (place / f"{name}.yaml").write_text(yaml.safe_dump(own), encoding="utf-8")
            calls.append({"task": name, "kind": kind, "model": f"{folder.run_id}/{spec.name}", "index": task})
    return calls


def serve(run: str, workspace: Path) -> tuple[subprocess.Popen[str], str]:
    """The endpoint as a user starts it, on any free port -> (process, its address)."""
    command = [
        sys.executable,
        "-m",
        "core",
        "serve",
        run,
        "--port",
        "0",
        "--no-token",
        "--workspace",
        str(workspace),
    ]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    first = process.stdout.readline().split()
    if len(first) < 3:
        raise SystemExit("the endpoint did not start")
    return process, first[2]


def referee(folder: RunFolder, workspace: Path, harness: str) -> list[dict[str, Any]]:
    """One entry a task and kind of call: the exam's score, the harness's, and answers that are the same."""
    from transformers import AutoTokenizer

    base = find_model(folder.read_config().base_model).local_path
    tokenizer = AutoTokenizer.from_pretrained(base)
    exam = {row["index"]: row for row in read_json(folder.results_path)["tasks"]}
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        save_tokenizer(tokenizer, "decoder", place / "tokenizer")
        calls = write_tasks(place, folder, tokenizer, 8192)
        process, url = serve(folder.run_id, workspace)
        try:
            for call in calls:
                path = "chat/completions" if call["kind"] == "chat" else "completions"
                call |= {"url": f"{url}/{path}", "tokenizer": str(place / "tokenizer")}
            write_json_atomic(place / "plan.json", {"include": str(place), "calls": calls})
            variables = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "HF_HOME": str(place / "hf")}
            words = [harness, str(FILES / "ask.py"), str(place / "plan.json"), str(place / "out.json")]
            subprocess.run(words, check=True, cwd=place, env={**variables, "OPENAI_API_KEY": "none"})
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)
        return [_compared(found, exam[found["index"]], place) for found in read_json(place / "out.json")]


def _compared(found: dict[str, Any], row: dict[str, Any], place: Path) -> dict[str, Any]:
    documents = list(read_records(place / f"{found['task']}.jsonl"))
    metrics = {name.partition(",")[0]: value for name, value in found["metrics"].items()}
    pairs = list(zip(found["answers"], documents, strict=True))
    if "acc" in metrics:
        answers = [_likeliest(one, document["choices"]) for one, document in pairs]
        wanted = [next((c for c in d["choices"] if c.startswith(d["answer"])), "") for d in documents]
    else:
        answers, wanted = [one[0].strip() for one, _ in pairs], [document["answer"] for document in documents]
    return {
        "task": row["name"],
        "metric": row["metric"],
        "kind": found["kind"],
        "counted_by": "the harness's acc" if "acc" in metrics else "the exam's metric",
        "rows": len(documents),
        "exam": row["tuned"]["value"],
        "harness": metrics.get("acc", metrics.get("exam")),
        "same_answers": sum(map(str.__eq__, answers, wanted)),
    }


def _likeliest(scores: list[list[Any]], choices: list[str]) -> str:
    return choices[max(range(len(choices)), key=lambda place: scores[place][0])]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("--workspace", type=Path, required=True)
    parser.add_argument("--harness", required=True, help="python of the environment with lm_eval")
    parser.add_argument("--write", action="store_true")
    chosen = parser.parse_args()
    folder = RunFolder(Workspace(chosen.workspace).find_run_dir(chosen.run))
    found = referee(folder, chosen.workspace, chosen.harness)
    for row in found:
        print(json.dumps(row, ensure_ascii=False))
    config = folder.read_config()
    if chosen.write:
        known = read_json(OUT)["runs"] if OUT.is_file() else []
        products = read_json(folder.record_path)["device"]["products"]
        about = {"base_model": config.base_model, "method": config.method, "exam_products": products}
        kept = [run for run in known if any(run[name] != value for name, value in about.items())]
        new = {**about, "results": found}
        write_json_atomic(OUT, {"script": Path(__file__).name, "lm_eval": "0.4.13", "runs": [*kept, new]})
    if any(row["exam"] != row["harness"] for row in found):
        raise SystemExit("not the exam's scores")


if __name__ == "__main__":
    main()
