"""Every test gets an app over a workspace of its own and a fresh page."""

from __future__ import annotations

import pytest

from tests.browser.driving import PATIENCE_MS, running_app, wait_until_open


@pytest.fixture
def address(tmp_path):
    with running_app(tmp_path) as running:
        yield running


@pytest.fixture
def page(chromium, address):
    """An open page; scripts that fail and requests that leave the machine fail the test."""
    context = chromium.new_context(viewport={"width": 1440, "height": 1000}, locale="en-US")
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(f"script: {error}"))
    page.on("request", lambda request: None if is_local(request.url) else faults.append(f"request: {request.url}"))
    page.goto(address)
    wait_until_open(page)
    yield page
    context.close()
    assert not faults


def is_local(url: str) -> bool:
    return url.startswith(("http://127.0.0.1", "ws://127.0.0.1", "data:", "blob:"))


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    """A random Llama of a few thousand weights: what is tested here is the way, not the answers."""
    from tests.tiny_models import build_tiny_llama

    folder = tmp_path_factory.mktemp("model") / "tiny"
    build_tiny_llama(folder)
    return folder
