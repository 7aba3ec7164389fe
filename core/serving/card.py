"""The model card of an export, in English or Chinese: data, licences, scores with intervals, skill map, limits.

Built with huggingface_hub's ModelCard, so that the Hub reads base model, licence and scores from its head. Text of
users is escaped: a task's name or instruction cannot become markup.
"""

from __future__ import annotations

import html
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from core.adapters.methods import METHODS
from core.insight.allocation import average_allocation, read_allocation, uniform_weight
from core.insight.results import TaskResult, read_scores
from core.models.catalogue import CATALOGUE
from core.runs.folder import RunFolder
from core.serving.card_words import WORDS
from core.tasks.dataset import load_saved_tasks
from core.tasks.spec import TaskSpec
from core.training.config import config_to_yaml

LORA, MERGED, WHOLE_RUN = "lora", "merged", "run"
KINDS = (LORA, MERGED, WHOLE_RUN)
LONGEST_CELL = 300
MOST_SKILLS = 12  # columns of the skill map; the whole table is in allocation.json


@dataclass(frozen=True)
class CardRequest:
    """What a card describes: an export of one of KINDS, of one task or (kind "run") of all; `language` en or zh."""

    run_dir: Path
    kind: str
    task: str | None = None
    language: str = "en"


def build_card(request: CardRequest) -> str:
    """The README.md of an export.

    Raises:
        WorkspaceError: the run folder is damaged.
    """
    folder, words = RunFolder(request.run_dir), WORDS[request.language]
    tasks, scores = load_saved_tasks(folder.data_dir), _scores(folder)
    config = folder.read_config()
    licence = licence_of(config.base_model)
    config = replace(config, base_model=public_name(config.base_model))
    name = escape(folder.read_run()["name"])
    shown = [task for task in tasks if request.task in (None, task.name)]
    sections = [
        f"# {name}", words["intro"].format(count=len(tasks), tasks=", ".join(escape(t.name) for t in tasks)),
        words[f"kind_{request.kind}"].format(task=escape(request.task or "")),
        f"- {words['base']}: {escape(config.base_model)}\n- {words['licence']}: {licence or words['unknown']}\n"
        f"- {words['method']}: {METHODS.get(config.method).title}",
        f"## {words['load_title']}", snippet(request, config.base_model),
        f"## {words['prompt_title']}", words["prompt_note"], *(_prompt(task) for task in shown),
        f"## {words['tasks_title']}", _task_table(shown, words),
        f"## {words['scores_title']}", _score_table([s for s in scores if request.task in (None, s.task)], words),
        *_skill_map(folder, words), f"## {words['limits_title']}", words["limits"],
        f"## {words['settings_title']}", fenced(config_to_yaml(config), "yaml"),
    ]
    head = _head(request, config.base_model, licence, scores, name)
    text = "\n\n".join([f"---\n{head.to_yaml()}\n---", *sections])
    return str(ModelCard(text + "\n"))


def snippet(request: CardRequest, base_model: str) -> str:
    """Code that loads this kind of export, as a fenced block."""
    if request.kind == WHOLE_RUN:
        return fenced("python -m core ask RUN --task TASK TEXT", "bash")
    lines = ["from transformers import AutoModelForCausalLM, AutoTokenizer  # AutoModelForSeq2SeqLM for T5 models"]
    if request.kind == LORA:
        lines += [
            "from peft import PeftModel", "", f"base = {base_model!r}",
            "tokenizer = AutoTokenizer.from_pretrained(base)",
            'model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), "THIS_FOLDER")',
        ]
    else:
        lines += ["", 'tokenizer = AutoTokenizer.from_pretrained("THIS_FOLDER")',
                  'model = AutoModelForCausalLM.from_pretrained("THIS_FOLDER")']
    return fenced("\n".join(lines), "python")


def public_name(base_model: str) -> str:
    """A base model as others may see it: a folder of this machine by its last name alone."""
    return Path(base_model).name if Path(base_model).is_dir() else base_model


def licence_of(base_model: str) -> str:
    """The licence of a recommended base model, '' for any other."""
    return next((info.licence for info in CATALOGUE if info.model_id == base_model), "")


def escape(text: str) -> str:
    """Text of a user on one line, without anything that Markdown or HTML would act on."""
    plain = html.escape(" ".join(text.split())[:LONGEST_CELL], quote=False)
    return "".join(f"\\{c}" if c in "\\`*_{}[]()#+!|~$" else c for c in plain)


def fenced(text: str, language: str = "") -> str:
    """A code block whose fence is longer than any run of backticks in the text."""
    longest = max((len(run) for run in "".join(c if c == "`" else " " for c in text).split()), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def _prompt(task: TaskSpec) -> str:
    template = task.template.replace("{instruction}", task.instruction)
    return f"{escape(task.name)}\n\n{fenced(template)}"


def _scores(folder: RunFolder) -> list[TaskResult]:
    return read_scores(folder.path) if folder.read_results() is not None else []


def _task_table(tasks: list[TaskSpec], words: dict[str, str]) -> str:
    rows = [
        [escape(t.name), escape(t.instruction), t.num_train, t.num_validation, t.num_test,
         escape(t.source.licence) or words["unknown"], escape(t.source.citation)]
        for t in tasks
    ]
    return _markdown(words["tasks_head"], rows)


def _score_table(scores: list[TaskResult], words: dict[str, str]) -> str:
    if not scores:
        return words["no_scores"]
    rows = [
        [escape(s.task), s.metric, s.tuned.n, _interval(s.base), _interval(s.tuned), _interval(s.difference, "+")]
        for s in scores
    ]
    return words["scores_note"] + "\n\n" + _markdown(words["scores_head"], rows)


def _skill_map(folder: RunFolder, words: dict[str, str]) -> list[str]:
    if not folder.allocation_path.exists():
        return []
    allocation = read_allocation(folder.path)
    table = average_allocation(allocation).iloc[:, :MOST_SKILLS]
    rows = [[escape(str(task)), *(f"{value:.2f}" for value in table.loc[task])] for task in table.index]
    head = " | ".join([words["task"], *map(str, table.columns)])
    note = words["skills_note"].format(uniform=f"{uniform_weight(allocation):.2f}")
    return [f"## {words['skills_title']}", note, _markdown(head, rows)]


def _markdown(head: str, rows: list[list[Any]]) -> str:
    count = head.count("|") + 1
    lines = [f"| {head} |", "|" + " --- |" * count]
    return "\n".join([*lines, *("| " + " | ".join(map(str, row)) + " |" for row in rows)])


def _interval(score: Any, sign: str = "") -> str:
    if score is None:
        return "-"
    low, high = f"{100 * score.low:.1f}", f"{100 * score.high:.1f}"
    return f"{100 * score.value:{sign}.1f} [{low}, {high}]"


def _head(
    request: CardRequest, base_model: str, licence: str, scores: list[TaskResult], name: str
) -> ModelCardData:
    results = [
        EvalResult(
            task_type="text-generation", dataset_type="private", dataset_name=s.task, metric_type=s.metric,
            metric_value=round(100 * s.tuned.value, 2),
        )
        for s in scores if request.task in (None, s.task)
    ]
    return ModelCardData(
        base_model=base_model if licence and "/" in base_model else None, license=licence.lower() or "other",
        library_name={LORA: "peft", MERGED: "transformers"}.get(request.kind), language=[request.language],
        tags=["taskloom", "multi-task"], model_name=name, eval_results=results or None,
    )
