"""Share in a real browser: files to download, a push with a typed token, code that follows the choice."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from tests.browser.driving import PATIENCE_MS, open_screen, running_app, wait_until_open
from tests.serving.conftest import make_trained_run
from tests.serving.fake_hub import running_hub

TOKEN = "hf_TypedInTheBrowser0123456789abcdef"
pytestmark = pytest.mark.browser


def test_download_push_and_code(chromium, tmp_path: Path, tiny_model: Path, monkeypatch) -> None:
    home = tmp_path / "home"
    make_trained_run(home, tiny_model)
    with running_hub(TOKEN) as hub:
        for name, value in {
            "HF_ENDPOINT": hub.address,
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_OFFLINE": "0",
            "HF_HOME": str(tmp_path / "hf"),
        }.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("HF_TOKEN", raising=False)
        with running_app(home) as address:
            page = chromium.new_context(viewport={"width": 1440, "height": 1000}, locale="en-US").new_page()
            page.set_default_timeout(PATIENCE_MS)
            page.goto(address)
            wait_until_open(page)
            open_screen(page, "share")
            page.get_by_text("PeftModel", exact=False).first.wait_for()
            make_files(page, tmp_path / "download.zip")
            push(page)
        assert set(hub.repos) == {("space", "nurse/desk-chat")}
        assert {"app.py", "answering.py", "settings.json"} <= set(hub.files[("space", "nurse/desk-chat")])
        assert not hub.faults
        assert TOKEN.encode() not in hub.bodies
    assert [p for p in tmp_path.rglob("*") if p.is_file() and TOKEN.encode() in p.read_bytes()] == []


def make_files(page, target: Path) -> None:
    page.locator("#share-make").click()
    page.locator("#share-checked .making").wait_for()  # it works, and one sees that it does
    page.locator("#share-checked").get_by_text("fresh process").wait_for(timeout=2 * PATIENCE_MS)
    with page.expect_download() as download:
        page.locator("#share-file a[download]").first.click()
    download.value.save_as(target)
    names = zipfile.ZipFile(target).namelist()
    assert any(name.endswith("adapter_model.safetensors") for name in names)


def push(page) -> None:
    """A Space, with a typed token; the field is empty afterwards and the browser has not kept it."""
    page.locator("#share-kind").get_by_text("small chat app").click()
    page.locator("#share-task").wait_for(state="hidden")
    page.locator("#share-code").get_by_text("python app.py").wait_for()
    page.locator("#share-push button").first.click()
    page.locator("#push-repo input").fill("desk-chat")
    page.locator("#push-token input").fill(TOKEN)
    page.locator("#push-now").click()
    page.locator("#push-outcome a").wait_for(timeout=3 * PATIENCE_MS)
    assert page.locator("#push-outcome a").inner_text() == "nurse/desk-chat"
    assert page.locator("#push-token input").input_value() == ""
    assert TOKEN not in page.evaluate("JSON.stringify(localStorage) + JSON.stringify(sessionStorage)")
