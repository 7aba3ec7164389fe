"""The model card of an export, in English or Chinese: data, licences, scores with intervals, skill map, limits.

Built with huggingface_hub's ModelCard, so that the Hub reads base model, licence and scores from its head. Text of
users is escaped: a task's name or instruction cannot become markup.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from core.adapters.registry import METHODS
from core.adapters.skill import COMMON
from core.base.documents import render
from core.base.files import read_json
from core.export.base_names import is_public, licence_of, public_name, record_of
from core.export.card_scores import forgotten_lines, score_section
from core.export.markdown import escape, fenced, markdown_table
from core.insight.allocation import layer_table, read_allocation, telling_layer, uniform_weight
from core.insight.layer_names import name_layer
from core.insight.results import TaskResult, read_scores
from core.messages import Sentence, word
from core.messages.locales import load_texts
from core.messages.plural import fill_text
from core.runs.folder import RunFolder
from core.runs.frozen import read_frozen
from core.runs.skill_names import DRAFT, read_drafts, read_names
from core.tasks.dataset import load_saved_dataset
from core.tasks.spec import LABELLED, TaskSpec
from core.training.config import RunConfig, config_to_yaml

LORA, MERGED, GGUF, SPACE, WHOLE_RUN = "lora", "merged", "gguf", "space", "run"
KINDS = (LORA, MERGED, GGUF, SPACE, WHOLE_RUN)
OF_ALL_TASKS = (SPACE, WHOLE_RUN)
LIBRARIES = {LORA: "peft", MERGED: "transformers", GGUF: "gguf"}
GGUF_COMMAND = "llama-cli -m BASE.gguf --lora adapter.gguf --jinja --temp 0"
MOST_EXAMPLES = 5  # a task
MOST_LABELS = 8
MOST_SKILLS = 12  # columns of the skill map; the whole table is in allocation.json


@dataclass(frozen=True)
class CardRequest:
    """What a card describes: an export of one of KINDS, of one task or (task None) of all; `language` en or zh.

    `examples`: practice rows a task that the card may show; 0 unless the owner of the data has agreed.
    `has_gguf`: a LoRA's folder holds it for llama.cpp too.
    """

    run_dir: Path
    kind: str
    task: str | None = None
    language: str = "en"
    examples: int = 0
    has_gguf: bool = False


def build_card(request: CardRequest) -> str:
    """The README.md of an export: a head for the Hub, then `card_body`.

    Raises:
        WorkspaceError: the run folder is damaged.
    """
    return str(ModelCard(f"---\n{_head(request).to_yaml()}\n---\n\n{card_body(request)}\n"))


def card_body(request: CardRequest) -> str:
    """The card as people read it.

    Raises:
        WorkspaceError: the run folder is damaged.
    """
    folder, words = RunFolder(request.run_dir), load_texts(request.language, "card")
    say = partial(word, language=request.language)
    tasks, config = folder.read_tasks(), folder.read_config()
    base = public_name(config.base_model)
    shown = [task for task in tasks if request.task in (None, task.name)]
    scores = [s for s in _scores(folder) if request.task in (None, s.task)]
    return render(
        "card.md",
        words=words,
        name=escape(folder.read_run()["name"]),
        intro=fill_text(words["intro"], {"count": len(tasks), "tasks": ", ".join(escape(t.name) for t in tasks)}),
        about=words[f"kind_{request.kind}"].format(task=escape(request.task or "")),
        facts=_facts(config, words),
        snippet=snippet(request, base),
        beside=[words["with_gguf"], fenced(GGUF_COMMAND, "bash")] if request.has_gguf else [],
        written_freely=_written_freely(request, config, shown, words),
        prompts=[_prompt(task) for task in shown],
        task_table=_task_table(shown, words),
        examples=_examples(request),
        scores=score_section(request.run_dir, scores, words, say),
        skills=skill_map(folder, words, request.examples > 0, say),
        forgotten=forgotten_lines(request.run_dir, say),
        settings=fenced(config_to_yaml(replace(config, base_model=base)), "yaml"),
    ).rstrip("\n")


def _facts(config: RunConfig, words: dict[str, str]) -> list[str]:
    """Base model, licence and method; said too where nobody else can load the base model by its name."""
    licence, base, colon = licence_of(config.base_model), public_name(config.base_model), words["colon"]
    facts = [
        f"{words['base']}{colon}{escape(base)}",
        f"{words['licence']}{colon}{licence or words['unknown']}",
        f"{words['method']}{colon}{METHODS.get(config.method).title}",
    ]
    record = record_of(config.base_model)
    if record is not None and record.quantised_from:  # the Hub's own weights are finer than these
        kind, sha256 = record.quantised_from, record.weights_sha256[:16]
        facts.append(words["base_quantised"].format(kind=kind, origin=escape(record.origin), sha256=sha256))
    return facts if is_public(base) else [*facts, words["base_local"]]


def snippet(request: CardRequest, base_model: str) -> str:
    """Code that loads this kind of export, as a fenced block."""
    if request.kind == WHOLE_RUN:
        return fenced("python -m core ask THIS_FOLDER --task TASK TEXT", "bash")
    if request.kind == SPACE:
        return fenced("pip install -r requirements.txt\npython app.py", "bash")
    if request.kind == GGUF:
        return fenced("llama-cli -m model.gguf --jinja --temp 0", "bash")
    auto = "AutoModelForSeq2SeqLM" if is_encoder_decoder(request.run_dir) else "AutoModelForCausalLM"
    lines = [f"from transformers import {auto}, AutoTokenizer"]
    if request.kind == LORA:
        lines += ["from peft import PeftModel"]
    base_model = base_model if is_public(base_model) else f"PATH_TO/{base_model}"
    lines += ["", f"source = {base_model if request.kind == LORA else 'THIS_FOLDER'!r}"]
    lines += ["tokenizer = AutoTokenizer.from_pretrained(source)", f"model = {auto}.from_pretrained(source)"]
    if request.kind == LORA:
        lines += ['model = PeftModel.from_pretrained(model, "THIS_FOLDER")']
    if is_encoder_decoder(request.run_dir):
        lines += ["ids = tokenizer(PROMPT, return_tensors='pt')"]
    else:
        lines += [
            f"# {load_texts(request.language, 'card')['no_chat']}",
            "turns = [{'role': 'user', 'content': PROMPT}]",
            "ids = tokenizer.apply_chat_template(",
            "    turns, add_generation_prompt=True, return_tensors='pt', return_dict=True",
            ")",
        ]
    lines += ["answer = model.generate(**ids, max_new_tokens=128, do_sample=False)[0]"]
    written = "answer" if is_encoder_decoder(request.run_dir) else "answer[ids['input_ids'].shape[1] :]"
    lines += [f"print(tokenizer.decode({written}, skip_special_tokens=True))"]
    return fenced("\n".join(lines), "python")


def _written_freely(
    request: CardRequest, config: RunConfig, shown: list[TaskSpec], words: dict[str, str]
) -> list[str]:
    """That the code above writes what the exam has chosen among labels."""
    labels = [label for task in shown if task.kind in LABELLED for label in task.labels]
    if request.kind in OF_ALL_TASKS or not labels or not config.exam_only_labels:
        return []
    listed = ", ".join(labels[:MOST_LABELS]) + (", …" if len(labels) > MOST_LABELS else "")
    return [words["labels_free"].format(labels=escape(listed))]


def is_encoder_decoder(run_dir: Path) -> bool:
    """What kind of base model the run's adapter was made for."""
    described = read_json(RunFolder(run_dir).description_path)
    return bool(described.get("architecture") == "encoder_decoder")


def _prompt(task: TaskSpec) -> str:
    template = task.template.replace("{instruction}", task.instruction)
    text = f"{task.system}\n\n{template}" if task.system else template
    return f"{escape(task.name)}\n\n{fenced(text)}"


def _scores(folder: RunFolder) -> list[TaskResult]:
    return read_scores(folder.path) if folder.read_results() is not None else []


def _task_table(tasks: list[TaskSpec], words: dict[str, str]) -> str:
    rows = [
        [
            escape(t.name),
            escape(t.instruction),
            _answers(t, words),
            t.num_train,
            t.num_validation,
            t.num_test,
            escape(t.source.licence) or words["unknown"],
            escape(t.source.citation),
        ]
        for t in tasks
    ]
    return markdown_table(words["tasks_head"], rows)


def _answers(task: TaskSpec, words: dict[str, str]) -> str:
    """The kind of answer, with the labels where there are few."""
    kind = words[f"answer_{task.kind}"]
    if not task.labels:
        return kind
    listed = escape(", ".join(task.labels)) if len(task.labels) <= MOST_LABELS else ""
    return f"{kind} ({len(task.labels)}{': ' + listed if listed else ''})"


def _examples(request: CardRequest) -> list[str] | None:
    """A few practice rows, only where the request asks for them."""
    if request.examples < 1:
        return None
    dataset = load_saved_dataset(RunFolder(request.run_dir).data_dir)
    parts: list[str] = []
    for index, task in enumerate(dataset.tasks):
        if request.task in (None, task.name):
            rows = dataset.split(index, "train")[: min(request.examples, MOST_EXAMPLES)]
            parts += [f"{escape(task.name)}\n\n{fenced(f'{row.prompt}{chr(10)}-> {row.target}')}" for row in rows]
    return parts


def skill_map(
    folder: RunFolder, words: dict[str, str], drafts: bool, say: Callable[[Sentence], str]
) -> dict[str, str] | None:
    """`drafts`: whether words out of the rows may be shown. `say` words a sentence in the card's language."""
    if not folder.allocation_path.exists():
        return None
    allocation = read_allocation(folder.path)
    layer, common = telling_layer(allocation), allocation.columns(COMMON)
    if not common or allocation.is_lone:
        return None
    table = layer_table(allocation, layer).iloc[:, common[:MOST_SKILLS]]
    rows = [[escape(str(task)), *(f"{value:.2f}" for value in table.loc[task])] for task in table.index]
    head = " | ".join([words["task"], *(_skill_name(str(name), words, drafts) for name in table.columns)])
    named = say(name_layer(allocation.layers[layer], allocation.layers))
    values = {"uniform": f"{uniform_weight(allocation):.2f}", "layer": escape(named)}
    note = words["skills_note" if len(allocation.layers) > 1 else "skills_note_model"].format(**values)
    names = read_names(folder.path)
    taken = [names.get(one.skill, one.skill) for one in read_frozen(folder)]
    if drafts and read_drafts(folder.path):
        note = f"{note} {words['skills_drafts']}"
    if taken:
        listed = ", ".join(_skill_name(name, words, drafts) for name in taken)
        note = f"{note} {words['skills_frozen'].format(skills=listed)}"
    return {"note": note, "table": markdown_table(head, rows)}


def _skill_name(name: str, words: dict[str, str], drafts: bool) -> str:
    """'common 1' in the card's language, a draft behind it; a name of another form stays."""
    own, sign, draft = name.partition(f" {DRAFT} ")
    kind, _, number = own.partition(" ")
    worded = words[f"skill_{kind}"].format(n=number) if number.isdigit() and f"skill_{kind}" in words else own
    return escape(worded) + (f"{sign}{escape(draft)}" if drafts else "")


def _head(request: CardRequest) -> ModelCardData:
    """What the Hub reads: base model, licence, library, language, scores."""
    folder = RunFolder(request.run_dir)
    base_model = folder.read_config().base_model
    licence = licence_of(base_model)
    results = [
        EvalResult(
            task_type="text-generation",
            dataset_type="private",
            dataset_name=s.task,
            metric_type=s.metric,
            metric_value=round(100 * s.tuned.value, 2),
        )
        for s in _scores(folder)
        if request.task in (None, s.task)
    ]
    return ModelCardData(
        base_model=public_name(base_model) if is_public(public_name(base_model)) else None,
        license=licence.lower() or "other",
        library_name=LIBRARIES.get(request.kind),
        language=[request.language],
        pipeline_tag="text-generation",
        tags=["taskloom", "multi-task"],
        model_name=folder.read_run()["name"],
        eval_results=results or None,
    )
