"""Every test gets an app over a workspace of its own and a fresh page."""

from __future__ import annotations

import pytest

from tests.browser.driving import PATIENCE_MS, running_app, wait_until_open


@pytest.fixture
def address(tmp_path):
    with running_app(tmp_path) as running:
        yield running


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A wait that ran out is tried once more, and the summary says so: on a machine shared with others one in some
    hundred does. What is wrong fails twice; a wrong value is not tried again at all."""
    for item in items:
        if item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.flaky(reruns=1, only_rerun=["TimeoutError"]))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    """A test that failed shows what was on its page."""
    report = yield
    page = getattr(item, "funcargs", {}).get("page")
    if report.when == "call" and report.failed and page is not None:
        report.sections.append(("the page", seen_on(page)))
    return report


def seen_on(page) -> str:
    """What a reader of the page sees now, without empty lines. A page that is gone must not end the session."""
    from playwright.sync_api import Error

    try:
        lines = page.locator("body").inner_text(timeout=5000).splitlines()
    except Error as error:
        return f"nothing could be read: {error}"
    return "\n".join(line for line in lines if line.strip())[:4000]


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
