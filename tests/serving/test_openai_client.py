"""OpenAI's own client library talks to the endpoint unchanged: models, answers, streams, errors it knows."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

from core.chat.client import ChatClient
from core.chat.endpoint import build_server
from core.chat.protocol import ask
from core.chat.service import Service, find_models

TOKEN = "a-token-for-tests"


@pytest.fixture(scope="module")
def served(run_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[openai.OpenAI, ChatClient]]:
    chat = ChatClient(log_path=tmp_path_factory.mktemp("log") / "chat.log")
    server = build_server(Service(find_models([run_dir]), chat, TOKEN))
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{server.port}/v1"
    with openai.OpenAI(base_url=url, api_key=TOKEN, max_retries=0, timeout=60) as client:
        yield client, chat
    server.stop()
    thread.join(20)
    server.close()
    chat.close()


def test_models_and_a_whole_answer(served: tuple[openai.OpenAI, ChatClient], run_dir: Path) -> None:
    client, chat = served
    names = [model.id for model in client.models.list()]
    assert f"{run_dir.name}/task 0" in names
    made = client.chat.completions.create(
        model=f"{run_dir.name}/task 0", messages=[{"role": "user", "content": "message 3"}], max_tokens=6, seed=1
    )
    direct = chat.answer(ask(run_dir, "task 0", "message 3", max_new_tokens=6))
    assert made.choices[0].message.content == direct.text
    assert made.usage is not None
    assert made.usage.completion_tokens == direct.tokens
    assert made.choices[0].finish_reason in ("stop", "length")


def test_a_stream_with_usage(served: tuple[openai.OpenAI, ChatClient], run_dir: Path) -> None:
    client, chat = served
    stream = client.chat.completions.create(
        model=f"{run_dir.name}/task 1",
        messages=[{"role": "user", "content": "message 3"}],
        max_tokens=12,
        stream=True,
        extra_body={"answers": "free"},
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text.strip() == chat.answer(ask(run_dir, "task 1", "message 3", max_new_tokens=12, answers="free")).text
    assert sum(bool(chunk.choices and chunk.choices[0].delta.content) for chunk in chunks) > 1
    assert chunks[-1].usage is not None


def test_faults_are_the_errors_that_clients_know(served: tuple[openai.OpenAI, ChatClient], run_dir: Path) -> None:
    client, _ = served
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="nothing", messages=[{"role": "user", "content": "x"}])
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model=f"{run_dir.name}/task 0", messages=[{"role": "user", "content": " "}])
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="wrong").models.list()
