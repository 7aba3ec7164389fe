"""The promised numbers of the chat on the starter model: slow, run on request on a quiet machine."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from core.chat.client import ChatClient
from core.chat.protocol import ask
from core.models.known_models import STARTER_DIR
from tests.serving.conftest import make_trained_run


@pytest.mark.slow
@pytest.mark.skipif(not (STARTER_DIR / "config.json").is_file(), reason="the starter model is not here")
def test_first_token_and_sixteen_callers(tmp_path: Path) -> None:
    """Under 0.5 s to the first token when warm; sixteen callers get 3 x one caller's tokens a second."""
    run_dir = make_trained_run(tmp_path, STARTER_DIR)
    client = ChatClient(log_path=tmp_path / "log")
    texts = [f"message {i}: my card was lost on the way" for i in range(16)]
    requests = [ask(run_dir, f"task {i % 2}", text, max_new_tokens=32) for i, text in enumerate(texts)]
    client.answer(requests[0])
    began = time.monotonic()
    alone = [client.answer(request) for request in requests]
    one_by_one = time.monotonic() - began
    assert max(done.first_s or 9 for done in alone) < 0.5
    together: dict[int, str] = {}

    def run(index: int) -> None:
        together[index] = client.answer(requests[index]).text

    threads = [threading.Thread(target=run, args=(i,)) for i in range(16)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    at_once = time.monotonic() - began
    client.close()
    assert [together[i] for i in range(16)] == [done.text for done in alone]
    assert one_by_one / at_once >= 3
