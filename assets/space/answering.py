"""The tuned model of this Space: prompts exactly as in training, one adapter a task on one base model; a task with
labels answers the likeliest of them, as its exam did.

settings.json (written by the export) names the base model, the tasks with their wording, and the limits. Nothing is
downloaded when the base model lies in this folder.
"""

import copy
import json
import math
import re
import threading
import unicodedata
import warnings
from pathlib import Path

import torch
from jinja2.exceptions import TemplateError
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer, TextIteratorStreamer

warnings.filterwarnings("ignore", category=FutureWarning)  # peft asks transformers by an old name
HERE = Path(__file__).resolve().parent
SETTINGS = json.loads((HERE / "settings.json").read_text(encoding="utf-8"))
TASKS = {task["name"]: task for task in SETTINGS["tasks"]}
MIN_PROMPT_TOKENS = 16
MAX_TRIES = 8
NEAR = 16  # characters in which a blank is looked for
_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([^{}\n]+)\}")


def render_prompt(task, values, kept=None):
    """The task's template filled with {column: text}; {instruction} stands for the task's instruction. `kept`: how
    many characters stay of a column, from both of its ends."""

    def value(match):
        name = match.group(1)
        if name is None:
            return match.group(0)[0]
        if name == "instruction" and name not in values:
            return task["instruction"]
        text = values.get(name, match.group(0))
        return both_ends(text, kept[name]) if kept and kept.get(name, len(text)) < len(text) else text

    return _PLACEHOLDER.sub(value, task["template"]).replace("\u2063", "").strip()


def both_ends(text, keep):
    """The beginning and the end of a text, cut at blanks where some are near."""
    head, tail = text[: (keep + 1) // 2], text[len(text) - keep // 2 :] if keep > 1 else ""
    blank = max(head.rfind(" "), head.rfind("\n"))
    if blank >= len(head) - NEAR > 0:
        head = head[:blank]
    blank = min((place for place in (tail.find(" "), tail.find("\n")) if place >= 0), default=-1)
    if 0 <= blank < NEAR < len(tail):
        tail = tail[blank + 1 :]
    while tail and unicodedata.category(tail[0])[0] == "M":
        tail = tail[1:]
    return f"{head.rstrip()} … {tail.lstrip()}".strip()


def level_down(sizes, total):
    """Sizes reduced to `total` by lowering the largest to one level; the small ones stay."""
    order = sorted(range(len(sizes)), key=lambda i: sizes[i])
    left, found = max(0, total), list(sizes)
    for number, index in enumerate(order):
        found[index] = min(sizes[index], left // (len(order) - number))
        left -= found[index]
    return found


def defuse(tokenizer, text):
    """Turn marks typed by a visitor are text: a blank inside keeps the tokenizer from taking them for marks."""
    for mark in tokenizer.all_special_tokens:
        if len(mark) > 2:
            text = text.replace(mark, f"{mark[0]} {mark[1:]}")
    return text


def prompt_ids(tokenizer, task, values):
    """Token ids that stand before the answer. Where they are too many, the middle of the longest column gives way,
    as in training."""
    values = {name: as_it_stands(task, name, text) for name, text in values.items()}
    ids, limit = encode(tokenizer, task, render_prompt(task, values)), max(task["room"], MIN_PROMPT_TOKENS)
    names = [n for n in dict.fromkeys(_PLACEHOLDER.findall(task["template"])) if n in values]
    sizes = [len(tokenizer(values[n], add_special_tokens=False)["input_ids"]) for n in names]
    surplus = len(ids) - limit
    for _ in range(MAX_TRIES):
        if len(ids) <= limit or not sum(sizes):
            break
        levels = level_down(sizes, sum(sizes) - surplus)
        kept = {n: len(values[n]) * level // max(1, s) for n, level, s in zip(names, levels, sizes, strict=True)}
        ids = encode(tokenizer, task, render_prompt(task, values, kept))
        if not sum(levels):
            break
        surplus += len(ids) - limit + 1
    if len(ids) > limit:
        front = limit // 2
        ids = ids[:front] + ids[len(ids) - (limit - front) :]
    return ids


def as_it_stands(task, name, text):
    """A column's text as the prompt has it: without blanks where the prompt begins or ends with it."""
    text, template = text.replace("\u2063", ""), task["template"].strip()
    text = text.lstrip() if template.startswith(f"{{{name}}}") else text
    return text.rstrip() if template.endswith(f"{{{name}}}") else text


def encode(tokenizer, task, prompt):
    """System prompt and prompt as token ids, with the model's turn marks."""
    texts = [defuse(tokenizer, text) for text in (task["system"], prompt) if text]
    if SETTINGS["architecture"] == "encoder_decoder":
        ids = tokenizer("\n\n".join(texts))["input_ids"]
    elif getattr(tokenizer, "chat_template", None):
        ids = tokenizer(chat_text(tokenizer, texts), add_special_tokens=False)["input_ids"]
    else:
        ids = tokenizer("\n\n".join(texts) + "\n\n")["input_ids"]
        if ids and ids[-1] == tokenizer.eos_token_id != tokenizer.bos_token_id:
            ids = ids[:-1]
    return ids


def chat_text(tokenizer, texts):
    roles = ["system", "user"] if len(texts) == 2 else ["user"]
    messages = [{"role": role, "content": text} for role, text in zip(roles, texts, strict=True)]
    options = {"tokenize": False, "add_generation_prompt": True, "enable_thinking": False}
    try:
        return tokenizer.apply_chat_template(messages, **options)
    except TemplateError:  # templates that know no system role
        if len(texts) == 1:
            raise
        return tokenizer.apply_chat_template([{"role": "user", "content": "\n\n".join(texts)}], **options)


class Answerer:
    """Loads the base model once. One answer at a time, since the adapter in use belongs to the whole model."""

    def __init__(self):
        base = HERE / "base"
        self.source = str(base) if base.is_dir() else SETTINGS["base"]
        self.revision = None if base.is_dir() else SETTINGS["revision"]
        self.auto = AutoModelForSeq2SeqLM if SETTINGS["architecture"] == "encoder_decoder" else AutoModelForCausalLM
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.tokenizer = AutoTokenizer.from_pretrained(self.source, revision=self.revision)
        if self.tokenizer.pad_token_id is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token
        self.lock = threading.Lock()
        self.model, self.loaded = None, None
        self.sure = []  # (label, its probability or None), the likeliest first, of the latest answer

    def use(self, task):
        """Switches to the task: an adapter on the shared base model, or a merged model of its own."""
        folder = HERE / "tasks" / task["folder"]
        if self.loaded == task["folder"]:
            return
        if not (folder / "adapter_config.json").is_file():
            self.model = self.load(str(folder), None)
        elif self.model is None:
            from peft import PeftModel

            base = self.load(self.source, self.revision)
            self.model = PeftModel.from_pretrained(base, str(folder), adapter_name=task["folder"]).eval()
        else:
            if task["folder"] not in self.model.peft_config:
                self.model.load_adapter(str(folder), adapter_name=task["folder"])
            self.model.set_adapter(task["folder"])
        self.loaded = task["folder"]

    def load(self, source, revision):
        options = {"revision": revision, "dtype": torch.float32, "use_safetensors": True}
        return self.auto.from_pretrained(source, **options).to(self.device).eval()

    def stream(self, name, values):
        """The answer to {column: text} as it grows; `sure` then says how sure one is that was chosen."""
        task = TASKS[name]
        with self.lock:
            self.use(task)
            self.sure = []
            ids = prompt_ids(self.tokenizer, task, values)
            if task.get("labels"):
                self.sure = self.choose(task["labels"], ids)
                yield self.sure[0][0]
                return
            streamer = TextIteratorStreamer(
                self.tokenizer, skip_prompt=SETTINGS["architecture"] == "decoder", skip_special_tokens=True
            )
            work = threading.Thread(target=self.write, args=(task, ids, streamer))
            work.start()
            text = ""
            for piece in streamer:
                text += piece
                yield text.strip()
            work.join()

    @torch.inference_mode()
    def choose(self, labels, ids):
        """[(label, probability or None)] by the log-likelihood of its tokens, end included, the likeliest
        first; the prompt is read once."""
        follow = self.read_prompt(ids)
        first = follow([])[-1]
        values = {place: first[tokens[0]].item() for place, tokens in enumerate(labels["ids"])}
        best, known = -math.inf, set()
        for place in sorted(values, key=lambda place: -values[place]):  # no value can rise above its first token's
            if values[place] >= best - labels["slack"]:
                tokens = labels["ids"][place]
                steps = follow(tokens[:-1])[-len(tokens[1:]) :] if len(tokens) > 1 else []
                values[place] += sum(step[token].item() for step, token in zip(steps, tokens[1:], strict=True))
                best = max(best, values[place])
                known.add(place)
        sure = labels["certainty"]
        heat = sure["temperature"] if sure else 1.0
        grown = {place: math.exp((value - best) / heat) for place, value in values.items()}
        total, rest = sum(grown.values()), sure["rest"] if sure else 0.0
        order = sorted(known, key=lambda place: -values[place])
        told = {p: (1 - rest) * grown[p] / total + rest / len(values) if sure else None for p in order}
        return [(labels["names"][place], told[place]) for place in order]

    def read_prompt(self, ids):
        """-> f(tokens): log-probabilities behind the prompt and each of the tokens that follow it, as rows."""
        prompt = torch.tensor([ids], device=self.device)
        if SETTINGS["architecture"] == "encoder_decoder":
            read = self.model.get_encoder()(input_ids=prompt)
            start = self.model.config.decoder_start_token_id
            return lambda tokens: self.rows(
                encoder_outputs=read, decoder_input_ids=torch.tensor([[start, *tokens]], device=self.device)
            )
        out = self.model(input_ids=prompt, use_cache=True)
        cache, last = out.past_key_values, out.logits[0, -1:].float().log_softmax(-1)

        def follow(tokens):
            if not tokens:
                return last
            more = torch.tensor([tokens], device=self.device)
            return self.rows(input_ids=more, past_key_values=copy.deepcopy(cache), use_cache=True)

        return follow

    def rows(self, **inputs):
        return self.model(**inputs).logits[0].float().log_softmax(-1)

    @torch.inference_mode()
    def write(self, task, ids, streamer):
        try:
            inputs = torch.tensor([ids], device=self.device)
            room = task["answer_tokens"]
            if SETTINGS["architecture"] == "decoder":
                room = max(1, min(room, SETTINGS["context"] - len(ids)))
            self.model.generate(
                input_ids=inputs,
                attention_mask=torch.ones_like(inputs),
                streamer=streamer,
                max_new_tokens=room,
                do_sample=False,
                num_beams=1,
                eos_token_id=SETTINGS["ends"],
                pad_token_id=self.tokenizer.pad_token_id,
            )
        finally:
            streamer.end()
