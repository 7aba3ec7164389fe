"""Scores of an exported starter: bits per byte, positions, overlap with test parts, zero-shot, generations.

Used by `train_starter.py evaluate`; each function may also be called by itself.
"""

from __future__ import annotations

import gzip
import json
import math
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import starter_data as data
import torch
import torch.nn.functional as F

# ---------------------------------------------------------------- bits per byte


@torch.no_grad()
def token_losses(model, rows: list[list[int]], context: int, budget: int = 4096) -> list[np.ndarray]:
    """Loss of every token of each row but the first, in windows of `context` that overlap by half."""
    pieces = []  # (row, first token of the window, first scored token, end)
    for r, ids in enumerate(rows):
        begin, scored = 0, 1
        while scored < len(ids):
            end = min(begin + context, len(ids))
            pieces.append((r, begin, scored, end))
            begin, scored = end - context // 2, end
    pieces.sort(key=lambda p: p[3] - p[1])
    losses = [np.zeros(len(ids) - 1, np.float32) for ids in rows]
    while pieces:
        longest = pieces[-1][3] - pieces[-1][1]
        batch = [pieces.pop() for _ in range(min(len(pieces), max(1, budget // longest)))]
        ids = torch.zeros(len(batch), longest, dtype=torch.long)
        for n, (r, begin, _, end) in enumerate(batch):
            ids[n, : end - begin] = torch.tensor(rows[r][begin:end])
        logits = model(ids).logits.flatten(0, 1)[:-1]  # causal: padding on the right changes nothing before it
        nll = F.cross_entropy(logits, ids.flatten()[1:], reduction="none")
        nll = F.pad(nll, (0, 1)).view(ids.shape).numpy()  # the last column, over the end of a row, is not used
        for n, (r, begin, scored, end) in enumerate(batch):
            losses[r][scored - 1 : end - 1] = nll[n, scored - begin - 1 : end - begin - 1]
    return losses


def plain_size(text: str) -> int:
    for token in data.SPECIAL_TOKENS:
        text = text.replace(token, "")
    return len(text.encode("utf-8"))


def bits_per_byte(model, tokenizer, rows: list[dict], context: int) -> dict:
    """By source and kind; the special tokens of the chat form cost bits but count no bytes."""
    sizes: Counter = Counter()
    for row in rows:
        sizes[row["source"]] += plain_size(row["text"])
    encoded = [[0, *tokenizer(row["text"], add_special_tokens=False)["input_ids"]] for row in rows]
    losses = token_losses(model, encoded, context)
    bits, kinds = Counter(), {}
    for row, loss in zip(rows, losses, strict=True):
        bits[row["source"]] += float(loss.sum()) / math.log(2)
        kinds[row["source"]] = row["kind"]
    report = {"by_source": {s: round(bits[s] / sizes[s], 4) for s in sorted(sizes)}, "bytes": dict(sizes)}
    for kind in ("prose", "task"):
        names = [s for s in sizes if kinds[s] == kind]
        report[kind] = round(sum(bits[s] for s in names) / sum(sizes[s] for s in names), 4)
    pairs = zip(losses, rows, strict=True)
    long = [loss[:1023] for loss, row in pairs if row["kind"] == "prose" and len(loss) >= 800]
    spans = ((0, 64), (64, 256), (256, 512), (512, 768), (768, 1023))
    report["loss_by_position"] = {
        f"{a}-{b}": round(float(np.concatenate([x[a:b] for x in long]).mean()), 4) for a, b in spans
    }
    return report


# ---------------------------------------------------------------- development tasks


def read_rows(path: Path, task: dict) -> list[dict]:
    """Rows of a task file, whatever its format; dotted column names reach into nested objects."""
    import pandas as pd

    encoding, kind = task.get("encoding", "utf-8"), task["format"].split(",")[0]
    if kind == "parquet":
        return pd.read_parquet(path).to_dict("records")
    if kind == "xlsx":
        return pd.read_excel(path, dtype=str, keep_default_na=False).to_dict("records")
    if kind in ("csv", "tsv"):
        options = {"dtype": str, "keep_default_na": False, "encoding": encoding}
        if kind == "tsv":
            options |= {"sep": "\t", "quoting": 3}
        if not task.get("header", True):
            options |= {"header": None, "names": task["columns"]}
        return pd.read_csv(path, **options).to_dict("records")
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    text = raw.decode(encoding)
    if kind.startswith("jsonl"):
        return [json.loads(line) for line in text.split("\n") if line.strip()]
    rows = json.loads(text)
    return rows if isinstance(rows, list) else next(v for v in rows.values() if isinstance(v, list))


def cell(row: dict, column: str) -> str:
    value = row
    for part in [column] if column in row else column.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if isinstance(value, (list, tuple, np.ndarray)):
        return ", ".join(map(str, value)) if all(len(str(v)) < 40 for v in value) else "\n".join(map(str, value))
    return "" if value is None else str(value)


def prompt(task: dict, row: dict) -> str:
    columns = task["inputs"]
    if len(columns) == 1:
        return f"{task['instruction']}\n\n{cell(row, columns[0])}"
    lines = [f"{c.split('.')[-1].replace('_', ' ').capitalize()}: {cell(row, c)}" for c in columns]
    return f"{task['instruction']}\n\n" + "\n".join(lines)


def answer(task: dict, row: dict) -> str:
    target = task["target"]
    return " | ".join(cell(row, c) for c in target) if isinstance(target, list) else cell(row, target)


def tasks_of(folder: Path):
    for path in sorted(Path(folder).glob("*/domain.json")):
        for task in json.loads(path.read_text(encoding="utf-8"))["tasks"]:
            yield path.parent, task


# ---------------------------------------------------------------- overlap with the test parts


def overlap(corpus: Path, tasks: Path, n: int = 13) -> dict:
    """How many n-word sequences of the test parts (inputs and answers) occur in the training text."""
    import re

    words = re.compile(r"\w+")

    def grams(text: str):
        found = words.findall(text.lower())
        return (hash(tuple(found[i : i + n])) for i in range(len(found) - n + 1))

    wanted: dict[int, set[str]] = {}
    rows_total = rows_long = 0
    for folder, task in tasks_of(tasks):
        for row in read_rows(folder / task["test"], task):
            rows_total += 1
            keys = {g for text in [*(cell(row, c) for c in task["inputs"]), answer(task, row)] for g in grams(text)}
            rows_long += bool(keys)
            for key in keys:
                wanted.setdefault(key, set()).add(f"{folder.name}/{task['name']}")
    hits: Counter = Counter()
    documents = 0
    for kind in ("prose", "task"):
        for _, text in data.documents(corpus, kind):
            documents += 1
            hits.update({name for g in grams(text) if g in wanted for name in wanted[g]})
    return {
        "n": n,
        "test_rows": rows_total,
        "test_rows_with_n_words": rows_long,
        "test_sequences": len(wanted),
        "documents": documents,
        "documents_with_a_hit": dict(hits),
    }


# ---------------------------------------------------------------- zero-shot and generations


@torch.no_grad()
def generate(model, tokenizer, prompts: list[str], new_tokens: int, batch: int = 16, **options) -> list[str]:
    """Greedy answers in the chat format; prompts too long for the context lose their middle."""
    limit = model.config.max_position_embeddings - new_tokens
    encoded = []
    for text in prompts:
        ids = tokenizer.apply_chat_template(
            [{"role": "user", "content": text}], add_generation_prompt=True, return_dict=False
        )
        encoded.append(ids if len(ids) <= limit else ids[: limit // 2] + ids[-(limit - limit // 2) :])
    out = [""] * len(prompts)
    order = sorted(range(len(prompts)), key=lambda n: len(encoded[n]))
    for start in range(0, len(order), batch):
        part = order[start : start + batch]
        longest = max(len(encoded[n]) for n in part)
        ids = torch.tensor([[0] * (longest - len(encoded[n])) + encoded[n] for n in part])
        mask = torch.tensor([[0] * (longest - len(encoded[n])) + [1] * len(encoded[n]) for n in part])
        made = model.generate(input_ids=ids, attention_mask=mask, max_new_tokens=new_tokens, **options)
        for n, row in zip(part, made[:, longest:], strict=True):
            out[n] = tokenizer.decode(row, skip_special_tokens=True).strip()
    return out


@torch.no_grad()
def ranked(model, tokenizer, text: str, labels: list[str]) -> str:
    """The label with the highest mean log-probability per token as the answer."""
    head = tokenizer.apply_chat_template(
        [{"role": "user", "content": text}], add_generation_prompt=True, return_dict=False
    )[-900:]
    tails = [tokenizer(label + data.END, add_special_tokens=False)["input_ids"] for label in labels]
    best = []
    for start in range(0, len(tails), 16):
        losses = tail_losses(model, head, tails[start : start + 16])
        best += losses
    return labels[int(np.argmin(best))]


def tail_losses(model, head: list[int], tails: list[list[int]]) -> list[float]:
    longest = max(map(len, tails))
    ids = torch.tensor([head + t + [0] * (longest - len(t)) for t in tails])
    logits = model(ids).logits[:, len(head) - 1 : -1].float()
    nll = F.cross_entropy(logits.transpose(1, 2), ids[:, len(head) :], reduction="none")
    return [float(nll[n, : len(t)].mean()) for n, t in enumerate(tails)]


def zero_shot(model, tokenizer, tasks: Path, rows: int, seed: int = 0) -> list[dict]:
    """Greedy answers by the workbench's own metrics; for up to 31 labels also the likeliest label."""
    sys.path.insert(0, str(data.REPO))
    from core.evaluation.metrics import score

    report = []
    for folder, task in tasks_of(tasks):
        every = read_rows(folder / task["test"], task)
        picked = np.random.default_rng(seed).permutation(len(every))[:rows]
        chosen = [every[n] for n in picked]
        prompts, wanted = [prompt(task, r) for r in chosen], [answer(task, r) for r in chosen]
        made = generate(model, tokenizer, prompts, 64 if task["metric"].startswith(("ROUGE", "token")) else 32)
        metric = task["metric"].partition(" (")[0].lower().replace("-", "_").replace(" ", "_")
        entry = {
            "domain": folder.name,
            "task": task["name"],
            "metric": task["metric"],
            "rows": len(chosen),
            "greedy": round(100 * score(metric, made, wanted).value, 1),
        }
        if "classification" in task["kind"] and "multi" not in task["kind"]:
            labels = sorted({answer(task, r) for r in read_rows(folder / task["train"], task)})
            if len(labels) <= 31:
                guess = [ranked(model, tokenizer, p, labels) for p in prompts[:30]]
                right = [g == w for g, w in zip(guess, wanted[:30], strict=True)]
                entry |= {"ranked": round(100 * sum(right) / len(right), 1), "chance": round(100 / len(labels), 1)}
        print(json.dumps(entry), flush=True)
        report.append(entry)
    return report


QUESTIONS = [
    "What is the capital of France?",
    'What does "generous" mean?',
    "What is 12 + 30?",
    "Sort the words alphabetically.\n\ntable, apple, river, cloud",
    "I want to book a table for two tonight.",
    "What does the user want to do?\n\nHello, I lost my card and need a new one.",
    "Extract all named entities.\n\nAngela Merkel met Barack Obama in Berlin .",
    "Who wrote the book?\n\nThe Silent Sea is a 1911 novel by the Irish writer Mary Doyle, first sold in Cork.",
]
OPENINGS = ["The city of Lisbon is", "In 1914, the", '"I do not know," said the old man,', "The patient was"]


def generations(model, tokenizer) -> list[dict]:
    made = generate(model, tokenizer, QUESTIONS, 64)
    out = [{"user": q, "assistant": a} for q, a in zip(QUESTIONS, made, strict=True)]
    torch.manual_seed(0)
    for opening in OPENINGS:
        ids = torch.tensor([[0, *tokenizer(opening, add_special_tokens=False)["input_ids"]]])
        mask = torch.ones_like(ids)
        text = [
            tokenizer.decode(
                model.generate(input_ids=ids, attention_mask=mask, max_new_tokens=70, **o)[0],
                skip_special_tokens=True,
            )
            for o in ({}, {"do_sample": True, "temperature": 0.8, "top_p": 0.9})
        ]
        out.append({"opening": opening, "greedy": text[0], "sampled": text[1]})
    return out


# ---------------------------------------------------------------- evaluation and plot


def plot(log_path: Path, target: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    rows = [json.loads(line) for line in log_path.read_text().splitlines()]
    steps, loss = [r["step"] for r in rows], np.array([r["loss"] for r in rows])
    width = min(9, len(loss))
    smooth = np.convolve(loss, np.ones(width) / width, "valid")
    figure, axis = plt.subplots(figsize=(8, 4.2), dpi=110)
    axis.plot(steps, loss, color="#b9c6d8", linewidth=0.8, label="one step")
    middle = steps[width // 2 :][: len(smooth)]
    axis.plot(middle, smooth, color="#1f4e8c", linewidth=1.6, label=f"mean of {width} logged steps")
    half = [r for r in rows if r["step"] > rows[-1]["step"] / 4]
    for label, style, found in (
        ("rate falls", "--", [r["step"] for r in half if r["lr"] < 1]),
        ("windows of 1,024", ":", [r["step"] for r in half if r["context"] > 512]),
    ):
        if found:
            axis.axvline(found[0], color="#b3541e", linewidth=1, linestyle=style, label=label)
    axis.set(xlabel="step", ylabel="training loss (nats per token)", ylim=(loss.min() - 0.2, min(loss.max(), 7.0)))
    axis.legend(frameon=False)
    axis.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(target)


def evaluate_folder(args) -> None:
    """assets/docs/starter-scores.json and starter-loss.png from the exported folder."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.set_float32_matmul_precision("medium")  # bf16 products where the processor has them
    model = AutoModelForCausalLM.from_pretrained(args.out, dtype=torch.float32, local_files_only=True).eval()
    tokenizer = AutoTokenizer.from_pretrained(args.out, local_files_only=True)
    with open(args.work / "heldout.jsonl", encoding="utf-8") as handle:
        rows = [json.loads(line) for line in handle]
    parts = {
        "heldout": lambda: bits_per_byte(model, tokenizer, rows, model.config.max_position_embeddings),
        "generations": lambda: generations(model, tokenizer),
        "zero_shot": lambda: zero_shot(model, tokenizer, args.tasks, args.rows),
        "overlap": lambda: overlap(args.corpus, args.tasks),
    }
    args.docs.mkdir(parents=True, exist_ok=True)
    scores = args.docs / "starter-scores.json"
    report = json.loads(scores.read_text()) if scores.exists() else {}
    for name in args.parts or parts:
        report[name] = parts[name]()
        scores.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    plot(args.work / "log.jsonl", args.docs / "starter-loss.png")
