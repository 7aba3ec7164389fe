"""A page that the server has forgotten opens itself again where it was."""

from __future__ import annotations

import re

import pytest

from app.frame.job_bar import IDLE_TICK_S
from app.shell.page_html import with_token
from app.shell.page_token import STALE_HEADER
from tests.browser.driving import PATIENCE_MS, open_screen, running_app, wait_until_open
from tests.toy_project import build_toy_project

TICK_MS = 1000 * IDLE_TICK_S
pytestmark = pytest.mark.browser


def forget(page, session: str, other: str) -> None:
    """From now on the server sees a session that it does not know."""
    page.unroute_all()
    page.route(
        "**/gradio_api/**",
        lambda route: route.continue_(
            url=route.request.url.replace(session, other),
            post_data=(route.request.post_data or "").replace(session, other) or None,
        ),
    )


def opened_hours_ago(page, hours: int) -> None:
    page.evaluate(f"window.taskloomOpenedAt = Date.now() - {hours} * 3600000")


def test_a_page_that_slept_finds_its_way_back(chromium, tmp_path) -> None:
    build_toy_project(tmp_path)
    with running_app(tmp_path) as address:
        page = chromium.new_context(viewport={"width": 1440, "height": 1000}, locale="en-US").new_page()
        page.set_default_timeout(PATIENCE_MS)
        seen: list[str] = []
        page.on("request", lambda r: seen.extend(re.findall(r"session_hash=(\w+)", r.url)))
        page.goto(address)
        wait_until_open(page)
        open_screen(page, "train")
        page.locator("#ready", has_text="2 tasks").wait_for()
        page.evaluate("window.sameDocument = true")
        forget(page, seen[-1], "forgotten1")
        page.wait_for_timeout(2 * TICK_MS)  # a page just opened only waits for its answer
        assert page.evaluate("window.sameDocument") is True
        opened_hours_ago(page, 2)
        forget(page, seen[-1], "forgotten2")
        page.wait_for_function("!window.sameDocument")
        wait_until_open(page)
        page.locator("#ready", has_text="2 tasks").wait_for()
        assert page.locator("#tab-train-button").first.get_attribute("aria-selected") == "true"


def test_a_page_with_an_old_word_opens_itself_once(chromium) -> None:
    """The server was started over a new key: every post of the page would be refused for ever."""
    page = chromium.new_context().new_page()
    opened: list[str] = []

    def serve(route) -> None:
        if route.request.method == "POST":
            route.fulfill(status=403, headers={STALE_HEADER: "1"}, json={"detail": "old"})
            return
        opened.append(route.request.url)
        head = with_token(b"<head></head>", f"word{min(len(opened), 2)}").decode()
        post = "fetch('/x', {method: 'POST'}).then(a => a.json()).then(a => { window.told = a.detail; })"
        route.fulfill(content_type="text/html", body=f"{head}<script>{post}</script>")

    page.route("http://box.lan/**", serve)
    page.goto("http://box.lan/")
    page.wait_for_function("window.told === 'old' && sessionStorage.getItem('taskloom-reopened')")
    page.wait_for_timeout(1000)
    assert len(opened) == 2
    page.evaluate("sessionStorage.setItem('taskloom-reopened', `word2 ${Date.now() - 100000}`)")
    page.evaluate("fetch('/x', {method: 'POST'}).then(() => 1)")  # the same word again: it would help nothing
    page.wait_for_timeout(500)
    assert len(opened) == 2
