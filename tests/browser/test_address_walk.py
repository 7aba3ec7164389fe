"""The address in a real browser: back, forward, reload and links, and what is not there."""

from __future__ import annotations

import pytest

from tests.browser.driving import PATIENCE_MS, open_screen, wait_until_open

pytestmark = pytest.mark.browser
SHOWN = "() => window.taskloomOpened && !('loading' in document.body.dataset)"


def is_at(page, screen: str, project: str) -> None:
    """The open tab and the address are there, and the screen is drawn."""
    page.locator(f"#tab-{screen}-button[aria-selected=true]").first.wait_for()
    page.wait_for_function(
        "([screen, name]) => new URL(location.href).searchParams.get('screen') === screen"
        " && document.title.includes(name)",
        arg=[screen, project],
        timeout=PATIENCE_MS,
    )
    page.wait_for_function(SHOWN, timeout=PATIENCE_MS)


def make_project(page, name: str) -> None:
    open_screen(page, "home")
    page.locator("#project-name input, #project-name textarea").fill(name)
    page.locator("#project-create").click()
    is_at(page, "tasks", name)


def test_back_forward_reload_and_links(page, address) -> None:
    make_project(page, "First")
    link = page.url
    make_project(page, "Second")
    open_screen(page, "skills")
    is_at(page, "skills", "Second")
    page.go_back()
    is_at(page, "tasks", "Second")
    page.go_back()
    is_at(page, "home", "First")
    page.go_back()
    is_at(page, "tasks", "First")
    page.go_forward()
    is_at(page, "home", "First")
    page.go_forward()
    is_at(page, "tasks", "Second")
    page.reload()
    wait_until_open(page)
    is_at(page, "tasks", "Second")

    other = page.context.new_page()
    other.goto(link)
    is_at(other, "tasks", "First")
    page.reload()  # the other window has another place
    is_at(page, "tasks", "Second")

    other.goto(f"{address}/?project=%3Cimg%20src=x%20onerror=alert(1)%3E&run=..%2F..&screen=nowhere&__theme=dark")
    other.locator(".toast-body", has_text="leads to a project that is not here").wait_for()
    is_at(other, "tasks", "Second")  # where this browser was last
    assert "__theme=dark" in other.url
    assert "nowhere" not in other.url
    other.close()
