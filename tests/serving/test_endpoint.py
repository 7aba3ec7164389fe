"""The HTTP endpoint over real sockets: OpenAI's format, streams, tokens, refusals, many callers at once."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from core.chat.calls import MAX_BODY
from core.chat.protocol import ask
from tests.serving.calling import TOKEN, Caller, serving


@pytest.fixture(scope="module")
def call(run_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    with serving([run_dir], tmp_path_factory.mktemp("log")) as caller:
        yield caller


def test_models_are_the_tasks_of_the_run(call: Caller, run_dir: Path) -> None:
    status, data, _ = call("/v1/models")
    assert status == 200
    names = [m["id"] for m in json.loads(data)["data"]]
    assert names == [f"{run_dir.name}/{task}" for task in ("task 0", "task 1", "pairs", "auto")]
    for name in (names[0], f"{run_dir.name}:task 0"):  # the second is how older versions named it
        status, data, _ = call(f"/v1/models/{quote(name)}")
        assert (status, json.loads(data)["id"]) == (200, names[0])
    assert call("/v1/models/nothing")[0] == 404


def test_a_completion_is_the_chat_answer(call: Caller, run_dir: Path) -> None:
    status, value = call.complete(f"{run_dir.name}/task 0", "message 3")
    direct = call.client.answer(ask(run_dir, "task 0", "message 3", max_new_tokens=8))
    assert status == 200
    assert value["object"] == "chat.completion"
    assert value["choices"][0]["message"] == {"role": "assistant", "content": direct.text}
    assert value["choices"][0]["finish_reason"] == ("length" if direct.limited else "stop")
    assert value["usage"]["completion_tokens"] == direct.tokens
    assert value["usage"]["total_tokens"] == direct.tokens + direct.prompt_tokens
    assert value["taskloom"]["skills"]["common 1"] == direct.weights[0].weight
    assert direct.text in ("yes", "no")
    _, tuned = call.complete(f"{run_dir.name}/task 0", "message 3", answers="free")
    _, base = call.complete(f"{run_dir.name}/task 0", "message 3", tuned=False, answers="free")
    assert base["choices"][0]["message"]["content"] != tuned["choices"][0]["message"]["content"]
    status, refused = call.complete(f"{run_dir.name}/task 0", "message 3", answers="guess")
    assert status == 400
    assert "labels, free" in refused["error"]["message"]


def test_a_stream_ends_with_done_and_adds_up(call: Caller, run_dir: Path) -> None:
    body = {
        "model": f"{run_dir.name}/task 1",
        "stream": True,
        "max_tokens": 12,
        "stream_options": {"include_usage": True},
        "messages": [{"role": "user", "content": "message 3"}],
    }
    status, data, headers = call("/v1/chat/completions", body)
    assert status == 200
    assert headers["Content-Type"] == "text/event-stream"
    lines = [line.removeprefix("data: ") for line in data.decode().split("\n\n") if line]
    assert lines[-1] == "[DONE]"
    chunks = [json.loads(line) for line in lines[:-1]]
    assert len({c["id"] for c in chunks}) == 1
    text = "".join(c["choices"][0]["delta"].get("content", "") for c in chunks if c["choices"])
    direct = call.client.answer(ask(run_dir, "task 1", "message 3", max_new_tokens=12))
    assert text.strip() == direct.text
    assert chunks[-2]["choices"][0]["finish_reason"] in ("stop", "length")
    assert chunks[-1]["usage"]["completion_tokens"] == direct.tokens


def test_inputs_by_column_come_as_json(call: Caller, run_dir: Path) -> None:
    content = {"question": "what is 3", "context": "it is 3"}
    status, value = call.complete(f"{run_dir.name}/pairs", json.dumps(content))
    assert status == 200
    direct = call.client.answer(ask(run_dir, "pairs", content, max_new_tokens=8))
    assert value["choices"][0]["message"]["content"] == direct.text
    status, value = call.complete(f"{run_dir.name}/pairs", "only text")
    assert status == 400
    assert "question, context" in value["error"]["message"]


def test_sixteen_callers_of_all_tasks_get_their_solo_answers(call: Caller, run_dir: Path) -> None:
    questions = [(f"{run_dir.name}/task {i % 2}", f"message {i}") for i in range(16)]
    alone = [call.complete(*question)[1]["choices"][0]["message"]["content"] for question in questions]
    together: dict[int, str] = {}

    def run(index: int) -> None:
        together[index] = call.complete(*questions[index])[1]["choices"][0]["message"]["content"]

    threads = [threading.Thread(target=run, args=(i,)) for i in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [together[i] for i in range(16)] == alone


@pytest.mark.parametrize(
    ("settings", "part"),
    [
        ({"temperature": "hot"}, "temperature is not a number"),
        ({"temperature": 9}, "temperature is 9"),
        ({"n": 99}, "n is 99"),
        ({"n": "2"}, "n is not a whole number"),
        ({"n": True}, "n is not a whole number"),
        ({"stop": [""]}, "stop.0"),
        ({"stop": ["x"] * 17}, "stop"),
        ({"stop": 3}, "stop is not a list"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 1.5}, "seed is not a whole number"),
        ({"max_tokens": 0}, "max_new_tokens is 0"),
        ({"top_logprobs": 21, "logprobs": True}, "top_logprobs is 21"),
        ({"logprobs": True, "stream": True}, "leave out stream"),
        ({"top_logprobs": 3}, "top_logprobs needs logprobs"),
        ({"stream_options": {"include_usage": True}}, "is for streams"),
        ({"max_tokens": 4, "max_completion_tokens": 8}, "give one of them"),
        ({"frequency_penalty": 0.5}, "frequency_penalty is not offered"),
        ({"logit_bias": {"5": 1}}, "logit_bias is not offered"),
        ({"tools": [{"type": "function"}]}, "tools is not offered"),
        ({"response_format": {"type": "json_object"}}, "response_format is not offered"),
        ({"temprature": 1}, "temprature is not offered"),
        ({"messages": [1]}, "messages.0 is not an object"),
        ({"messages": "hello"}, "not a list"),
        ({"messages": []}, "message is empty"),
        ({"messages": [{"role": "user", "content": " "}]}, "message is empty"),
    ],
)
def test_wrong_settings_are_explained(call: Caller, run_dir: Path, settings: Any, part: str) -> None:
    status, value = call.complete(f"{run_dir.name}/task 0", "hi", **settings)
    assert status == 400
    assert part in value["error"]["message"]


def test_strangers_are_refused(call: Caller, run_dir: Path) -> None:
    assert call("/v1/models", Authorization="Bearer wrong")[0] == 401
    assert call("/v1/models", Authorization="")[0] == 401
    assert call("/v1/models", Host="evil.example")[0] == 403
    assert call("/v1/nothing")[0] == 404
    assert call("/v1/chat/completions")[0] == 405  # it is asked by POST
    assert call("/v1/models", {})[0] == 405
    assert call("/v1/chat/completions", b"{not json")[0] == 400
    assert call("/v1/chat/completions", b"[]")[0] == 400
    assert call("/v1/chat/completions", b"{}", **{"Content-Length": str(MAX_BODY + 1)})[0] == 413
    status, value = call.complete("nothing", "hi")
    assert status == 404
    assert run_dir.name in value["error"]["message"]


def test_a_connection_serves_several_requests(call: Caller) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", call.port, timeout=60)
    for _ in range(3):
        connection.request("GET", "/v1/models", headers={"Authorization": f"Bearer {TOKEN}"})
        response = connection.getresponse()
        assert response.status == 200
        response.read()
    connection.close()


def test_hanging_up_stops_the_answer(call: Caller, run_dir: Path) -> None:
    body = json.dumps(
        {
            "model": f"{run_dir.name}/task 0",
            "stream": True,
            "max_tokens": 400,
            "messages": [{"role": "user", "content": "message 1"}],
        }
    )
    connection = http.client.HTTPConnection("127.0.0.1", call.port, timeout=60)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    connection.request("POST", "/v1/chat/completions", body, headers)
    response = connection.getresponse()
    response.readline()
    response.close()
    connection.close()
    for _ in range(200):
        if not call.client._open:
            break
        threading.Event().wait(0.05)
    assert not call.client._open
