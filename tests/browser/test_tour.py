"""The guided tour through all screens, one click a step; on every screen axe-core looks for barriers."""

from __future__ import annotations

from pathlib import Path

import axe_playwright_python
import pytest

from tests.browser.driving import PATIENCE_MS, SCREENS, fill_plan, open_screen, wait_for_state, wait_until_open

pytestmark = pytest.mark.browser
AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]


STILL = "() => document.getAnimations().every(a => !(a instanceof CSSTransition) || a.playState !== 'running')"


def barriers(page) -> list[str]:
    """What axe-core finds against WCAG 2.1 A and AA, one line an element. A colour on its way to another (a button
    that has just been allowed) is none, so what is found has to be there a second later too."""
    found = search(page)
    if found:
        page.wait_for_timeout(1000)
        found = search(page)
    return found


def search(page) -> list[str]:
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text(encoding="utf-8"))
    page.wait_for_function(STILL)
    script = "([where, rules]) => axe.run(where, {runOnly: rules, resultTypes: ['violations']})"
    found = page.evaluate(script, [{"exclude": [["pre"], [".cm-editor"]]}, RULES])  # colours of code are Gradio's
    return [
        f"{violation['id']}: {node['target'][-1]} {node['html'][:160]}"
        for violation in found["violations"]
        for node in violation["nodes"]
    ]


def onwards(page, screen: str) -> None:
    """One click; out of the training only once that has ended, which takes minutes on a busy machine."""
    page.locator("#tour-next:not([disabled])").click(timeout=4 * PATIENCE_MS)
    page.locator(f"#tab-{screen}-button[aria-selected=true]").first.wait_for()


def test_the_tour_leads_through_all_screens(page, tiny_model):
    assert barriers(page) == []  # a first visit
    page.locator("#project-sample").click()
    page.locator("#task-cards .card").nth(4).wait_for()
    assert barriers(page) == []
    onwards(page, "train")
    fill_plan(page, tiny_model, steps=40)
    page.locator("#tour-next").click()  # starts the run
    page.locator("#job-bar .job").wait_for()
    wait_for_state(page, "queued", "starting", "running", "succeeded")
    assert barriers(page) == []
    for screen in ("results", "skills", "try_it", "share"):
        onwards(page, screen)
        page.wait_for_timeout(600)  # plots and cards of the screen arrive
        assert barriers(page) == []
    page.reload()  # the tour and the screen are remembered
    wait_until_open(page)
    page.locator("#tab-share-button[aria-selected=true]").first.wait_for()
    onwards(page, "home")
    page.locator("#tour").wait_for(state="hidden")
    page.locator("[data-act=theme]").click()
    page.locator("body.dark").wait_for()
    for screen in SCREENS:  # with a run that has all there is to be seen
        open_screen(page, screen)
        page.wait_for_timeout(600)
        assert barriers(page) == [], screen


# Every row of a form as {label: [top of the label, bottom of the field]}, of fields whose tops are equal.
ROWS = """() => [...document.querySelectorAll('.row > .form')].filter(form => form.offsetParent).flatMap(form => {
  const rows = {};
  for (const block of form.children) {
    const label = block.querySelector('[data-testid=block-info]');
    const top = Math.round(block.getBoundingClientRect().top);
    const field = block.querySelector('.container > input, .container > .wrap, .container > .input-container');
    if (!label || !field || !block.offsetParent) continue;
    const heights = [label.getBoundingClientRect().top, field.getBoundingClientRect().bottom].map(Math.round);
    (rows[top] ??= {})[label.textContent.trim()] = heights;
  }
  return Object.values(rows);
})"""


def test_labels_and_fields_of_a_row_stand_at_one_height(page):
    page.locator("#project-sample").click()
    page.locator("#task-cards .card").nth(4).wait_for()
    open_screen(page, "train")
    page.get_by_label("Detailed").click()
    page.locator("#fold-training > button.label-wrap").click()
    page.locator("#set-schedule input").wait_for()
    page.wait_for_timeout(600)  # the fold opens
    rows = [row for row in page.evaluate(ROWS) if len(row) > 1]
    assert any("Private skills per task" in row for row in rows)
    assert any("Schedule" in row for row in rows)
    for row in rows:
        assert len(set(map(tuple, row.values()))) == 1, row


def test_narrow_and_chinese_have_no_barriers_and_fit(page, tmp_path):
    page.set_viewport_size({"width": 390, "height": 844})
    page.locator("#project-sample").click()
    page.locator("#task-cards .card").nth(4).wait_for()
    page.locator("[data-act=theme]").click()
    page.locator("#choose-language input").click()
    page.get_by_role("option", name="中文").click()
    page.locator("html[lang=zh]").wait_for(timeout=PATIENCE_MS, state="attached")
    for screen in SCREENS:
        open_screen(page, screen)
        page.wait_for_timeout(400)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, screen
        for theme in ("dark", "light"):
            assert barriers(page) == [], (screen, theme)
            page.locator("[data-act=theme]").click()
            page.wait_for_timeout(400)  # colours change slowly
