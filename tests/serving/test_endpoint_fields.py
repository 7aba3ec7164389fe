"""Every field of a call does what OpenAI's does: stop, n, seed, null, echo, logprobs; tasks found by auto."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from core.chat.detecting import load_detector
from core.chat.protocol import ask
from tests.serving.calling import Caller, serving
from tests.serving.conftest import make_trained_run

NULLS = (
    "temperature top_p n stop seed max_tokens max_completion_tokens stream stream_options logprobs top_logprobs "
    "user frequency_penalty presence_penalty logit_bias tools tool_choice response_format tuned best_of whatever"
)


@pytest.fixture(scope="module")
def call(run_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    with serving([run_dir], tmp_path_factory.mktemp("log")) as caller:
        yield caller


@pytest.fixture(scope="module")
def model(run_dir: Path) -> str:
    return f"{run_dir.name}/task 0"


@pytest.fixture(scope="module")
def base(tiny_llama_dir: Path) -> tuple[Any, Any]:
    return AutoModelForCausalLM.from_pretrained(tiny_llama_dir).eval(), AutoTokenizer.from_pretrained(
        tiny_llama_dir
    )


def complete(call: Caller, model: str, prompt: Any, **fields: Any) -> tuple[int, Any]:
    status, data, _ = call("/v1/completions", {"model": model, "prompt": prompt, **fields})
    return status, json.loads(data)


def text_of(value: Any) -> str:
    return str(value["choices"][0]["message"]["content"])


def streamed(data: bytes) -> list[Any]:
    lines = [line.removeprefix("data: ") for line in data.decode().split("\n\n") if line]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


def test_null_is_the_default_everywhere(call: Caller, model: str) -> None:
    plain = text_of(call.complete(model, "message 3")[1])
    status, value = call.complete(model, "message 3", **dict.fromkeys(NULLS.split()) | {"max_tokens": 8})
    assert status == 200, value
    assert text_of(value) == plain


def test_what_asks_for_nothing_is_taken(call: Caller, model: str) -> None:
    nothing = {
        "frequency_penalty": 0,
        "presence_penalty": 0.0,
        "logit_bias": {},
        "tools": [],
        "tool_choice": "none",
    }
    notes = {"user": "me", "metadata": {"a": "b"}, "store": True, "response_format": {"type": "text"}}
    status, value = call.complete(model, "message 3", n=2, best_of=2, **nothing, **notes)
    assert (status, value["taskloom"]["unread_messages"]) == (200, 0)
    turns = [
        {"role": "system", "content": "Be brief."},
        *[{"role": "user", "content": t} for t in ("hi", "message 3")],
    ]
    _, data, _ = call("/v1/chat/completions", {"model": model, "messages": turns})
    assert json.loads(data)["taskloom"]["unread_messages"] == 2  # the task's prompt is the one of training


@pytest.mark.parametrize("kind", ["image_url", "input_audio", "file"])
def test_what_is_no_text_is_refused_and_not_left_out(call: Caller, model: str, kind: str) -> None:
    text = {"type": "text", "text": "message 3"}
    status, value = call.complete(model, [text, {"type": kind, kind: {"url": "https://x"}}])
    assert (status, kind in value["error"]["message"]) == (400, True)
    assert text_of(call.complete(model, [text])[1]) == text_of(call.complete(model, "message 3")[1])


def test_an_answer_ends_before_a_stop_word(call: Caller, model: str, run_dir: Path) -> None:
    whole = call.client.answer(ask(run_dir, "task 0", "message 3", max_new_tokens=30, answers="free")).text
    assert len(whole) > 8
    middle = whole[4:7]
    cut = whole[: whole.index(middle)].strip()
    for stop in (middle, [middle], ["never said", middle]):
        status, value = call.complete(model, "message 3", max_tokens=30, stop=stop, answers="free")
        assert status == 200
        assert (text_of(value), value["choices"][0]["finish_reason"]) == (cut, "stop")
        assert value["usage"]["completion_tokens"] < 30
    _, untouched = call.complete(model, "message 3", max_tokens=30, stop="never said", answers="free")
    assert text_of(untouched) == whole


def test_a_stream_never_shows_the_beginning_of_a_stop_word(call: Caller, model: str, run_dir: Path) -> None:
    whole = call.client.answer(ask(run_dir, "task 0", "message 3", max_new_tokens=30, answers="free")).text
    middle = whole[4:9]
    messages = [{"role": "user", "content": "message 3"}]
    body = {
        "model": model,
        "messages": messages,
        "stream": True,
        "max_tokens": 30,
        "stop": middle,
        "answers": "free",
    }
    chunks = streamed(call("/v1/chat/completions", body)[1])
    text = "".join(c["choices"][0]["delta"].get("content", "") for c in chunks if c["choices"])
    assert text.strip() == whole[: whole.index(middle)].strip()


def test_several_answers_have_seeds_of_their_own(call: Caller, model: str) -> None:
    how = {"temperature": 2.0, "max_tokens": 12, "answers": "free"}
    _, value = call.complete(model, "message 3", n=4, seed=11, **how)
    texts = [choice["message"]["content"] for choice in value["choices"]]
    assert [choice["index"] for choice in value["choices"]] == [0, 1, 2, 3]
    assert len(set(texts)) > 1
    assert text_of(call.complete(model, "message 3", seed=12, **how)[1]) == texts[1]
    one = call.complete(model, "message 3", seed=11, **how)[1]
    assert text_of(one) == texts[0]
    assert value["usage"]["prompt_tokens"] == one["usage"]["prompt_tokens"]
    assert value["usage"]["completion_tokens"] > one["usage"]["completion_tokens"]


def test_without_a_seed_answers_differ_and_tell_theirs(call: Caller, model: str) -> None:
    how = {"temperature": 2.0, "max_tokens": 12, "answers": "free"}
    made = [call.complete(model, "message 3", **how)[1] for _ in range(4)]
    assert len({text_of(value) for value in made}) > 1
    seed = made[0]["taskloom"]["seed"]
    assert text_of(call.complete(model, "message 3", seed=seed, **how)[1]) == text_of(made[0])


def test_several_streamed_answers_are_told_apart(call: Caller, model: str) -> None:
    messages = [{"role": "user", "content": "message 3"}]
    how = {"temperature": 2.0, "max_tokens": 8, "n": 3, "seed": 11}
    body = {"model": model, "messages": messages, "stream": True, "stream_options": {"include_usage": True}, **how}
    chunks = streamed(call("/v1/chat/completions", body)[1])
    _, whole = call.complete(model, "message 3", **how)
    for index, choice in enumerate(whole["choices"]):
        mine = [c["choices"][0] for c in chunks if c["choices"] and c["choices"][0]["index"] == index]
        text = "".join(piece["delta"].get("content", "") for piece in mine)
        assert text.strip() == choice["message"]["content"]
        assert mine[-1]["finish_reason"] == choice["finish_reason"]
    assert chunks[-1]["usage"] == whole["usage"]


@torch.no_grad()
def test_a_text_is_continued_as_the_model_would(call: Caller, model: str, base: tuple[Any, Any]) -> None:
    network, tokenizer = base
    prompt = "message 3 of"
    ids = tokenizer(prompt, return_tensors="pt")["input_ids"]
    expected = network.generate(ids, max_new_tokens=10, do_sample=False)[0, ids.shape[1] :]
    status, value = complete(call, model, prompt, max_tokens=10, tuned=False)
    assert status == 200
    assert value["object"] == "text_completion"
    whole = tokenizer.decode([*ids[0].tolist(), *expected.tolist()], skip_special_tokens=True)
    assert prompt + value["choices"][0]["text"] == whole
    by_ids = complete(call, model, ids[0].tolist(), max_tokens=10, tuned=False)[1]
    assert by_ids["choices"][0]["text"] == value["choices"][0]["text"]
    assert complete(call, model, prompt, max_tokens=10)[1]["choices"][0]["text"] != value["choices"][0]["text"]


@torch.no_grad()
@pytest.mark.parametrize("max_tokens", [0, 3])
def test_echo_tells_how_likely_the_prompt_is(
    call: Caller, model: str, base: tuple[Any, Any], max_tokens: int
) -> None:
    """What evaluation harnesses ask for: the logarithms equal those of transformers."""
    network, tokenizer = base
    prompt = "what is 7, it is 7"
    fields = {"max_tokens": max_tokens, "echo": True, "logprobs": 2, "tuned": False, "temperature": 0}
    status, value = complete(call, model, prompt, **fields)
    assert status == 200, value
    choice = value["choices"][0]
    assert choice["text"].startswith(prompt)
    told = choice["logprobs"]
    ids = tokenizer(prompt)["input_ids"]
    assert len({len(told[name]) for name in ("tokens", "token_logprobs", "top_logprobs", "text_offset")}) == 1
    assert len(ids) <= len(told["tokens"]) <= len(ids) + max_tokens
    logprobs = torch.log_softmax(network(torch.tensor([ids])).logits[0].float(), -1)
    assert told["token_logprobs"][0] is None
    expected = [float(logprobs[place, token]) for place, token in enumerate(ids[1:])]
    assert told["token_logprobs"][1 : len(ids)] == pytest.approx(expected, abs=1e-4)
    best = logprobs.max(-1).values
    for place, top in enumerate(told["top_logprobs"][1 : len(ids)]):
        assert 1 <= len(top) <= 2
        assert max(top.values()) == pytest.approx(float(best[place]), abs=1e-4)
    joined = "".join(told["tokens"])
    assert [joined[o:] for o in told["text_offset"]] == [
        "".join(told["tokens"][i:]) for i in range(len(told["tokens"]))
    ]
    assert value["usage"]["prompt_tokens"] == len(ids)


def test_logprobs_of_an_answer_are_told_in_both_forms(call: Caller, model: str) -> None:
    _, value = call.complete(model, "message 3", logprobs=True, top_logprobs=3)
    content = value["choices"][0]["logprobs"]["content"]
    assert len(content) == value["usage"]["completion_tokens"]
    for entry in content:
        assert entry["logprob"] <= 0
        assert bytes(entry["bytes"]).decode() == entry["token"]
        assert entry["top_logprobs"][0]["logprob"] == pytest.approx(entry["logprob"])  # greedy: the likeliest
        assert sum(math.exp(e["logprob"]) for e in entry["top_logprobs"]) <= 1.0001
    assert call.complete(model, "message 3")[1]["choices"][0]["logprobs"] is None
    _, value = complete(call, model, "message", max_tokens=4, logprobs=0)
    assert all(top == {} for top in value["choices"][0]["logprobs"]["top_logprobs"])


def test_several_prompts_are_answered_in_their_order(call: Caller, model: str) -> None:
    alone = [complete(call, model, p, max_tokens=6)[1]["choices"][0]["text"] for p in ("message 1", "it is")]
    _, value = complete(call, model, ["message 1", "it is"], max_tokens=6, n=2)
    assert [choice["text"] for choice in value["choices"]] == [alone[0], alone[0], alone[1], alone[1]]
    assert [choice["index"] for choice in value["choices"]] == [0, 1, 2, 3]
    _, value = complete(call, model, ["message 1"], max_tokens=6, echo=True)
    assert value["choices"][0]["text"] == "message 1" + alone[0]


def test_a_continued_text_is_streamed(call: Caller, model: str) -> None:
    _, value = complete(call, model, "message 1", max_tokens=9)
    body = {"model": model, "prompt": "message 1", "max_tokens": 9, "stream": True}
    chunks = streamed(call("/v1/completions", body)[1])
    assert "".join(c["choices"][0]["text"] for c in chunks) == value["choices"][0]["text"]
    assert chunks[-1]["choices"][0]["finish_reason"] == value["choices"][0]["finish_reason"]


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        ({"prompt": []}, "prompt asks for 0"),
        ({"prompt": [""]}, "empty"),
        ({"prompt": 5}, "prompt is not"),
        ({"prompt": [10**9]}, "outside of the vocabulary"),
        ({"prompt": [-1]}, "outside of the vocabulary"),
        ({"prompt": [1, "a"]}, "prompt"),
        ({"prompt": ["a"] * 65}, "prompt asks for 65"),
        ({"prompt": "word " * 5000}, "has room for"),
        ({"prompt": "a", "suffix": "z"}, "suffix is not offered"),
        ({"prompt": "a", "best_of": 3}, "best_of is not offered"),
        ({"prompt": "a", "echo": True, "stream": True}, "echo comes with whole answers"),
        ({"prompt": "a", "max_tokens": 0}, "max_new_tokens is 0"),
        ({"prompt": "a", "logprobs": 99}, "logprobs is 99"),
        ({}, "prompt is missing"),
    ],
)
def test_wrong_texts_are_explained(call: Caller, model: str, fields: dict[str, Any], part: str) -> None:
    status, data, _ = call("/v1/completions", {"model": model, **fields})
    assert status == 400
    assert part in json.loads(data)["error"]["message"]


def test_the_task_of_a_text_is_found_out(call: Caller, run_dir: Path) -> None:
    name = f"{run_dir.name}/auto"
    found = load_detector(run_dir).detect("what is 7\nit is 7 号")
    status, value = call.complete(name, "what is 7\nit is 7 号")
    if found.is_none:
        assert (status, "none of" in value["error"]["message"]) == (400, True)
    else:
        assert status == 200, value
        assert value["taskloom"]["task"] == found.task
        assert value["model"] == name
    status, value = call.complete(name, "")
    assert status == 400
    status, value = complete(call, name, "what")
    assert status == 400
    assert "by name" in value["error"]["message"]


def test_a_model_that_reads_and_writes_has_no_echo(tmp_path: Path, tiny_t5_dir: Path) -> None:
    run = make_trained_run(tmp_path, tiny_t5_dir, 1)
    with serving([run], tmp_path) as call:
        name = f"{run.name}/task 0"
        status, value = complete(call, name, "message 1", echo=True, logprobs=1)
        assert (status, "echo" in value["error"]["message"]) == (400, True)
        status, value = complete(call, name, "message 1", logprobs=1, max_tokens=4)
        assert status == 200, value
        assert len(value["choices"][0]["logprobs"]["tokens"]) <= 4
