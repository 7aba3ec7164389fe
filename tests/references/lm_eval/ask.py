"""Runs lm-evaluation-harness over the tasks of a plan, in the harness's own environment.

    python ask.py PLAN.json OUT.json

PLAN: {include, calls: [{task, kind, model, url, tokenizer}]}; kind is chat or completions. OUT: for each call the
harness's metrics and what it was answered, in the order of the questions.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import lm_eval
from lm_eval.tasks import TaskManager

CONCURRENT = 8


def ask(call: dict[str, str], known: TaskManager) -> dict[str, Any]:
    arguments: dict[str, Any] = {"model": call["model"], "base_url": call["url"], "num_concurrent": CONCURRENT}
    if call["kind"] == "completions":
        arguments |= {"tokenizer": call["tokenizer"], "tokenizer_backend": "huggingface", "batch_size": 4}
    found = lm_eval.simple_evaluate(
        model="local-chat-completions" if call["kind"] == "chat" else "local-completions",
        model_args=arguments,
        tasks=[call["task"]],
        task_manager=known,
        apply_chat_template=True,
        log_samples=True,
        bootstrap_iters=0,
    )
    samples = sorted(found["samples"][call["task"]], key=lambda sample: sample["doc_id"])
    answers = [sample["filtered_resps"] for sample in samples]  # [text], or one (likelihood, greedy) a choice
    return {**call, "metrics": found["results"][call["task"]], "answers": answers}


def main() -> None:
    plan = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    known = TaskManager(include_path=plan["include"], include_defaults=False)
    done = [ask(call, known) for call in plan["calls"]]
    Path(sys.argv[2]).write_text(json.dumps(done, ensure_ascii=False, default=str), encoding="utf-8")


if __name__ == "__main__":
    main()
