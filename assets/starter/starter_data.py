"""Corpus reading, the held-out split and the conversion of task-like text to the chat format."""

from __future__ import annotations

import hashlib
import json
import lzma
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

REPO = Path(__file__).resolve().parents[2]
DEFAULT_CORPUS = REPO.parent / "shared" / "data" / "corpus"
DEFAULT_TASKS = REPO.parent / "shared" / "data" / "tasks"

EOT, SYSTEM, USER, ASSISTANT, END = "<|endoftext|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"
SPECIAL_TOKENS = [EOT, SYSTEM, USER, ASSISTANT, END]
MULTI_TURN_SOURCES = {"tldr"}  # neighbouring items of a document belong together there

Turns = list[tuple[str, str]]  # (user, assistant) pairs


def documents(corpus: Path, kind: str, limit: int | None = None) -> Iterator[tuple[str, str]]:
    """(source, text) of every document of a kind ("prose" or "task"), in file order."""
    seen = 0
    for path in sorted(Path(corpus).glob(f"{kind}-*.jsonl.xz")):
        with lzma.open(path, "rt", encoding="utf-8") as handle:
            for line in handle:
                record = json.loads(line)
                yield record["source"], record["text"]
                seen += 1
                if limit is not None and seen >= limit:
                    return


def held_out(text: str) -> bool:
    """About one document in a hundred stays out of training, chosen by the hash of its text."""
    return int.from_bytes(hashlib.sha1(text.encode("utf-8")).digest()[:4], "big") % 100 == 0


def render(turns: Turns) -> str:
    """The workbench's chat format; the same text as the tokenizer's chat template gives."""
    return "".join(f"{USER}\n{u}{END}\n{ASSISTANT}\n{a}{END}\n" for u, a in turns)


# One paragraph (or several) in a surface form with labels: instruction, optional input, answer.
LABELLED = [
    re.compile(r"### Instruction:\n(.+?)(?:\n\n### Input:\n(.+?))?\n\n### Response:\n(.+)", re.S),
    re.compile(r"Instruction: (.+?)(?:\nInput: (.+?))?\nOutput: (.+)", re.S),
    re.compile(r"Task: (.+?)(?:\nText: (.+?))?\nResult: (.+)", re.S),
    re.compile(r"Question: (.+?)()\nAnswer: (.+)", re.S),
    re.compile(r"Q: (.+?)()\nA: (.+)", re.S),
]
DIALOGUE = {"User": "Assistant|System", "A": "B", "Customer": "Barista|Assistant|Agent"}
DIALOGUE_STARTS = tuple(f"{speaker}: " for speaker in DIALOGUE)
STARTS = ("### Instruction:\n", "Instruction: ", "Task: ", "Question: ", "Q: ", *DIALOGUE_STARTS)
IMPERATIVE = re.compile(
    r"(Define|Explain|Give|Name|Write|Use|Compute|Tell|Describe|Pick|Sort|Count|Repeat|Find|List|Sum|Fill|"
    r"Correct|Extract|Reverse|Answer|Choose|Which|What|Who|How|Is|Are|Does|True or false)\b"
)


def learn_instructions(texts: Iterator[str], least: int = 12) -> set[str]:
    """Instructions that the labelled forms use again and again; they are recognised without labels too."""
    found = re.compile(
        r"(?:### Instruction:\n(.+)\n\n### Input:|(?:^|\n)Instruction: (.+)\nInput: |(?:^|\n)Task: (.+)\nText: )"
    )
    counts = Counter("".join(groups) for text in texts for groups in found.findall(text))
    return {text for text, n in counts.items() if n >= least}


class ChatConverter:
    """Splits a task-like document into chat items and plain rests by rules; see `convert`."""

    def __init__(self, instructions: set[str]):
        self.instructions = instructions
        longest_first = sorted(instructions, key=len, reverse=True)
        self.prefix = re.compile("(" + "|".join(map(re.escape, longest_first)) + r")[ \n]+(.+)\n([^\n]+)", re.S)

    def _dialogue(self, text: str) -> Turns | None:
        """User:/Assistant:, A:/B: and like exchanges; a known instruction takes the rest as input."""
        user = text.partition(": ")[0]
        if user == "User":
            first, _, rest = text[6:].partition("\n")
            if first in self.instructions and "\nAssistant: " in rest:
                body, _, answer = rest.rpartition("\nAssistant: ")
                return [(f"{first}\n\n{body}", answer)]
            if text.count("\nUser: ") == 0 and text.count("\nAssistant: ") == 1:
                question, _, answer = text[6:].partition("\nAssistant: ")
                return [(question, answer)]
        parts = re.split(rf"(?:^|\n)({user}|{DIALOGUE[user]}): ", text)
        if parts[0] or len(parts) < 5:
            return None
        names, said = parts[1::2], parts[2::2]
        if any((name == user) != (n % 2 == 0) for n, name in enumerate(names)):
            return None
        return list(zip(said[::2], said[1::2], strict=False))

    def _labelled(self, text: str) -> Turns | None:
        for pattern in LABELLED:
            if match := pattern.fullmatch(text):
                instruction, body, answer = (part and part.strip() for part in match.groups())
                return [(f"{instruction}\n\n{body}" if body else instruction, answer)]
        return None

    def _plain(self, text: str) -> Turns | None:
        """Forms without labels: "INSTRUCTION input / answer" and "question? / answer"."""
        if match := self.prefix.fullmatch(text):
            return [(f"{match[1]}\n\n{match[2].strip()}", match[3])]
        first, _, answer = text.partition("\n")
        if answer and (first.endswith("?") or (IMPERATIVE.match(first) and len(first) < 200)):
            return [(first, answer)]
        return None

    def items(self, text: str) -> Iterator[tuple[Turns | None, str]]:
        """(turns, covered text); turns is None for a piece kept as plain text."""
        paragraphs = text.split("\n\n")
        i = 0
        while i < len(paragraphs):
            here = paragraphs[i]
            turns, used = None, 1
            rest = paragraphs[i + 1 : i + 5]
            if here.startswith(DIALOGUE_STARTS) and rest and rest[0].count("\n") == 1:
                first, _, reply = rest[0].partition("\n")
                if first in self.instructions:
                    turns, used = [(f"{first}\n\n{here}", reply)], 2
            if turns is None and here.startswith(STARTS):
                stop = next(
                    (k for k in range(i + 1, len(paragraphs)) if paragraphs[k].startswith(STARTS)), len(paragraphs)
                )
                reader = self._dialogue if here.startswith(DIALOGUE_STARTS) else self._labelled
                for end in range(i + 1, min(stop, i + 8) + 1):
                    if turns := reader("\n\n".join(paragraphs[i:end])):
                        used = end - i
                        break
            if turns is None:
                answer = next((k for k, p in enumerate(rest) if p.startswith("Answer: ")), None)
                strict = STARTS[: -len(DIALOGUE)] if here in self.instructions else STARTS
                if answer is not None and not any(p.startswith(strict) for p in rest[:answer]):
                    turns, used = [("\n\n".join([here, *rest[:answer]]), rest[answer][8:])], answer + 2
                elif rest and rest[0].partition("\n")[0] in self.instructions and "\n" in rest[0]:
                    first, _, reply = rest[0].partition("\n")
                    turns, used = [(f"{first}\n\n{here}", reply)], 2
                else:
                    turns = self._plain(here)
            yield turns, "\n\n".join(paragraphs[i : i + used])
            i += used

    def convert(self, source: str, text: str) -> tuple[list[str], int]:
        """Documents in training form (chat or plain) and how many characters were turned into chat."""
        out: list[str] = []
        plain: list[str] = []
        converted, joined = 0, False
        for turns, piece in self.items(text):
            if turns is None:
                plain.append(piece)
                joined = False
                continue
            if plain:
                out.append("\n\n".join(plain))
                plain = []
            converted += len(piece)
            if joined and source in MULTI_TURN_SOURCES:
                out[-1] += render(turns)
            else:
                out.append(render(turns))
            joined = True
        if plain:
            out.append("\n\n".join(plain))
        return out, converted


# ---------------------------------------------------------------- tokenizer and token files


def train_tokenizer(corpus: Path, work: Path, vocab: int) -> None:
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

    # Exactly the splitting of Qwen2, which llama.cpp knows, so that it can read exports of the starter.
    pattern = (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
        r"|\s*[\r\n]+|\s+(?!\S)|\s+"
    )
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab,
        special_tokens=SPECIAL_TOKENS,
        min_frequency=3,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    sample = [
        text
        for kind, take in (("prose", 9), ("task", 30))
        for n, (_, text) in enumerate(documents(corpus, kind))
        if n % 100 < take
    ]
    tokenizer.train_from_iterator(sample, trainer)
    work.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(work / "tokenizer.json"))


def encode(corpus: Path, work: Path, seed: int) -> None:
    """prose.bin and task.bin: documents as uint16 tokens, each closed by the separator; held-out ones aside."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(work / "tokenizer.json"))
    assert tokenizer.token_to_id(EOT) == 0
    report: dict = {"sources": {}}
    known = learn_instructions(text for _, text in documents(corpus, "task", 100_000))
    converter = ChatConverter(known)
    heldout: list[dict] = []
    for kind in ("prose", "task"):
        texts: list[tuple[str, str]] = []
        for source, text in documents(corpus, kind):
            entry = report["sources"].setdefault(
                source, {"kind": kind, "chars": 0, "chat_chars": 0, "train_tokens": 0, "heldout_docs": 0}
            )
            pieces, chat = converter.convert(source, text) if kind == "task" else ([text], 0)
            entry["chars"] += len(text)
            entry["chat_chars"] += chat
            if held_out(text):
                entry["heldout_docs"] += 1
                heldout += [{"source": source, "kind": kind, "text": piece} for piece in pieces]
            else:
                texts += [(source, piece) for piece in pieces]
        order = np.random.default_rng(seed).permutation(len(texts))
        with open(work / f"{kind}.tmp", "wb") as handle:
            for start in range(0, len(order), 4096):
                chosen = [texts[n] for n in order[start : start + 4096]]
                batch = tokenizer.encode_batch([text for _, text in chosen])
                for (source, _), encoded in zip(chosen, batch, strict=True):
                    handle.write(np.array([*encoded.ids, 0], dtype=np.uint16).tobytes())
                    report["sources"][source]["train_tokens"] += len(encoded.ids) + 1
        (work / f"{kind}.tmp").replace(work / f"{kind}.bin")
    task = [entry for entry in report["sources"].values() if entry["kind"] == "task"]
    report["chat_share"] = sum(e["chat_chars"] for e in task) / sum(e["chars"] for e in task)
    report["instructions"] = len(known)
    with open(work / "heldout.jsonl", "w", encoding="utf-8") as handle:
        handle.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in heldout)
    (work / "encode.json").write_text(json.dumps(report, indent=1))
    print(json.dumps({k: v for k, v in report.items() if k != "sources"}))
