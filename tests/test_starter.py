"""The starter as shipped: loads offline in the ordinary way, speaks the chat format, knows some English."""

from __future__ import annotations

import json
import lzma
import math
import struct
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

STARTER = Path(__file__).resolve().parents[1] / "assets" / "starter"
SHARDS = sorted(STARTER.glob("*.safetensors"))
# Written for this test; in no corpus.
TEXT = (
    "The small town lies on the eastern bank of the river, about ten miles from the coast. It was "
    "founded in the eleventh century and grew quickly after the railway was built in 1862. Most of the "
    "people who live there work in the port, in the schools or in one of the three hospitals. In the "
    "summer many visitors come to see the old church and the market, which is held every Saturday in "
    "front of the town hall. The mayor said that a new bridge would be opened next year, although some "
    "members of the council did not agree with the plan."
)


@pytest.fixture
def recipe(monkeypatch):
    """The scripts beside the weights import one another by plain name."""
    monkeypatch.setattr(sys, "path", [str(STARTER), *sys.path])


@pytest.fixture(scope="module")
def tokenizer():
    return transformers.AutoTokenizer.from_pretrained(STARTER, local_files_only=True)


@pytest.fixture(scope="module")
def model():
    return transformers.AutoModelForCausalLM.from_pretrained(STARTER, local_files_only=True).eval()


def test_shards_are_small_and_bf16():
    assert SHARDS, "no weights in assets/starter"
    for shard in SHARDS:
        assert shard.stat().st_size < 9_500_000
        with open(shard, "rb") as handle:
            header = json.loads(handle.read(struct.unpack("<Q", handle.read(8))[0]))
        assert {entry["dtype"] for name, entry in header.items() if name != "__metadata__"} == {"BF16"}


def test_is_a_plain_llama(model):
    assert type(model).__name__ == "LlamaForCausalLM"
    assert model.dtype == torch.bfloat16
    assert model.config.tie_word_embeddings
    assert model.config.max_position_embeddings == 1024
    assert not list(STARTER.glob("modeling_*.py"))


def test_special_tokens(tokenizer, model):
    names = ["<|endoftext|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"]
    assert tokenizer.convert_tokens_to_ids(names) == [0, 1, 2, 3, 4]
    assert (tokenizer.eos_token, tokenizer.pad_token) == ("<|end|>", "<|endoftext|>")
    assert len(tokenizer) == model.config.vocab_size
    assert model.generation_config.eos_token_id == [4, 0]


def test_chat_template(tokenizer):
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Say hello.\n\nto Ann"},
        {"role": "assistant", "content": "Hello, Ann."},
    ]
    start = "<|system|>\nBe brief.<|end|>\n<|user|>\nSay hello.\n\nto Ann<|end|>\n"
    whole = start + "<|assistant|>\nHello, Ann.<|end|>\n"
    assert tokenizer.apply_chat_template(messages, tokenize=False) == whole
    asked = tokenizer.apply_chat_template(messages[:2], tokenize=False, add_generation_prompt=True)
    assert asked == start + "<|assistant|>\n"
    assert whole.startswith(asked)
    ids = tokenizer.apply_chat_template(messages, return_dict=False)
    assert ids == tokenizer(whole, add_special_tokens=False)["input_ids"]
    assert ids.count(4) == 3


@pytest.mark.parametrize(
    "text", ["中国人民银行，1994年。繁體中文也行。", "naïve café – 3.5 % \t\n\n  x", "🙂 x²", TEXT]
)
def test_text_comes_back_whole(tokenizer, text):
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert tokenizer.unk_token is None
    assert tokenizer.decode(ids) == text


def test_digits_stand_alone(tokenizer):
    ids = tokenizer("in 1994 about 12,345", add_special_tokens=False)["input_ids"]
    pieces = [tokenizer.decode([i]) for i in ids]
    assert all(sum(c.isdigit() for c in piece) <= 1 for piece in pieces)


def test_bits_per_byte(tokenizer, model):
    """An untrained model of this shape needs about 3 bits a byte here."""
    ids = torch.tensor([[0, *tokenizer(TEXT, add_special_tokens=False)["input_ids"]]])
    with torch.no_grad():
        loss = model(ids, labels=ids).loss.item()
    assert loss * (ids.shape[1] - 1) / math.log(2) / len(TEXT.encode()) < 1.3


@pytest.mark.parametrize(
    "question", ["What is 12 + 30?", "Who wrote Hamlet?", "Extract all chemicals.\n\nWater and salt ."]
)
def test_greedy_answers_stop(tokenizer, model, question):
    messages = [{"role": "user", "content": question}]
    ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    made = model.generate(**ids, max_new_tokens=100)[0, ids["input_ids"].shape[1] :]
    assert made[-1].item() in (0, 4)
    assert tokenizer.decode(made, skip_special_tokens=True).strip()


def test_context_beyond_the_first_window(tokenizer, model):
    """Trained at 512 tokens first, at 1,024 in the decay: later positions must not be worse."""
    ids = torch.tensor([[0, *(tokenizer(TEXT, add_special_tokens=False)["input_ids"] * 9)][:1024]])
    with torch.no_grad():
        logits = model(ids).logits[0, :-1].float()
    losses = torch.nn.functional.cross_entropy(logits, ids[0, 1:], reduction="none")
    assert losses[600:].mean() < losses[:100].mean()


@pytest.mark.parametrize(
    ("text", "turns"),
    [
        ("Instruction: Sum up.\nInput: A long text.\nOutput: Short.", [("Sum up.\n\nA long text.", "Short.")]),
        ("### Instruction:\nSort.\n\n### Input:\nb, a\n\n### Response:\na, b", [("Sort.\n\nb, a", "a, b")]),
        ("Q: Who?\nA: Ann", [("Who?", "Ann")]),
        ("User: Hi\nSystem: Hello\nUser: Bye\nSystem: See you", [("Hi", "Hello"), ("Bye", "See you")]),
        ("Find names.\n\nAnn left .\n\nAnswer: Ann", [("Find names.\n\nAnn left .", "Ann")]),
        ("Ann left .\n\nFind names.\nAnn", [("Find names.\n\nAnn left .", "Ann")]),
        ("Find names. Ann left .\nAnn", [("Find names.\n\nAnn left .", "Ann")]),
    ],
)
def test_task_text_becomes_chat(recipe, text, turns):
    import starter_data

    converter = starter_data.ChatConverter({"Find names."})
    assert converter.convert("any", text) == ([starter_data.render(turns)], len(text))
    plain = "ash (noun): the residue that remains when something is burned."
    assert converter.convert("any", plain) == ([plain], 0)


def test_reference_sums_to_one(recipe):
    from ngram_reference import kneser_ney

    train = np.random.default_rng(0).zipf(1.5, 3000) % 9
    for context in (train[500:504], np.array([8, 8, 8, 7])):
        total = sum(np.exp(kneser_ney(train, np.array([*context, word]), 9)[-1]) for word in range(9))
        assert total == pytest.approx(1)


@pytest.fixture
def corpus(recipe, tmp_path) -> Path:
    """Some prose, a document of it held out, and some tasks."""
    import starter_data

    texts = [f"{TEXT} This was written down in the year {1000 + n}." for n in range(300)]
    aside = next(text for text in texts if starter_data.held_out(text))
    prose = [aside, *[text for text in texts if not starter_data.held_out(text)][:20]]
    tasks = [f"Instruction: Add.\nInput: {n} and 2\nOutput: {n + 2}" for n in range(200)]
    for kind, written in (("prose", prose), ("task", tasks)):
        with lzma.open(tmp_path / f"{kind}-00.jsonl.xz", "wt", encoding="utf-8") as handle:
            handle.writelines(json.dumps({"source": "ours", "text": text}) + "\n" for text in written)
    return tmp_path


SMALL = ("--vocab", "600", "--blocks", "3", "--window", "32", "--steps", "4", "--warmup", "1", "--score-every", "2")


def test_a_real_model_becomes_a_smaller_starter(corpus, tmp_path, monkeypatch):
    """Fewer tokens and blocks of the same numbers; healing that was cut off ends as one that was not."""
    import heal_starter
    import prune_starter

    def words(command: str, name: str) -> list[str]:
        places = ["--teacher", str(STARTER), "--work", str(tmp_path / name), "--out", str(tmp_path / f"{name}-out")]
        return [command, *places, "--corpus", str(corpus), "--slice", "600", *SMALL]

    prune_starter.main(words("all", "whole"))
    found = json.loads((tmp_path / "whole" / "kept.json").read_text())
    teacher, out = heal_starter.load(STARTER, torch.float32), tmp_path / "whole-out"
    pruned = heal_starter.load(tmp_path / "whole" / "pruned", torch.float32)
    assert torch.equal(pruned.get_input_embeddings().weight, teacher.get_input_embeddings().weight[found["rows"]])
    assert found["blocks"][0] == 0
    assert found["blocks"][-1] == 5
    for block, place in zip(pruned.model.layers, found["blocks"], strict=True):
        assert torch.equal(block.mlp.down_proj.weight, teacher.model.layers[place].mlp.down_proj.weight)
    smaller = transformers.AutoTokenizer.from_pretrained(out, local_files_only=True)
    assert len(smaller) <= 600
    for text in ("naïve café – 中国", TEXT):
        assert smaller.decode(smaller(text, add_special_tokens=False)["input_ids"]) == text
    assert smaller.convert_tokens_to_ids("<|end|>") == pruned.config.eos_token_id

    real = heal_starter.batch

    def cut_off(args, recipe, step):
        if step == 3:
            raise KeyboardInterrupt
        return real(args, recipe, step)

    monkeypatch.setattr(heal_starter, "batch", cut_off)
    with pytest.raises(KeyboardInterrupt):
        prune_starter.main(words("all", "twice"))
    monkeypatch.setattr(heal_starter, "batch", real)
    prune_starter.main(words("all", "twice"))
    once, again = (heal_starter.load(tmp_path / f"{name}-out", torch.bfloat16) for name in ("whole", "twice"))
    for one, other in zip(once.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)
    assert not torch.equal(once.get_input_embeddings().weight, pruned.get_input_embeddings().weight.bfloat16())
