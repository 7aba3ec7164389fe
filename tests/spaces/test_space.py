"""The app started as a Space starts it, without Docker: the sample project, and what a restart leaves."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from core.runs.bucket_copy import COPIED
from core.training.config import RunConfig, change_config, config_to_yaml
from tests.browser.driving import _wait_for, free_port
from tests.visiting import Visitor

ROOT = Path(__file__).resolve().parents[2]
QUICK = {
    "max_steps": 6, "stage2_steps": 2, "batch_size": 4, "exam_rows": 2, "max_new_tokens": 3, "evaluate_every": 6,
    "validation_rows": 2, "num_threads": 1,
}  # fmt: skip
OWNER = "5" * 32
PATIENCE_S = 1200.0  # the whole sample project, also on a busy machine


@contextmanager
def running_space(home: Path, **more: str) -> Iterator[str]:
    """`python app.py` with a Space's environment and nothing on the command line."""
    port = free_port()
    space = {
        "SYSTEM": "spaces", "SPACE_ID": "me/loom", "SPACE_HOST": "me-loom.hf.space", "SPACE_AUTHOR_NAME": "me",
        "GRADIO_SERVER_PORT": str(port), "TASKLOOM_HOME": str(home), "OMP_NUM_THREADS": "1",
        "HF_TOKEN": "hf_secret",
    }  # fmt: skip
    kept = {name: value for name, value in os.environ.items() if name != "GRADIO_TEMP_DIR"}
    home.mkdir(parents=True, exist_ok=True)
    log = home.parent / f"{home.name}.log"
    with open(log, "ab") as out:
        process = subprocess.Popen(
            [sys.executable, "app.py"], cwd=ROOT, stdout=out, stderr=out, env={**kept, **space, **more}
        )
    try:
        _wait_for(f"http://127.0.0.1:{port}", process, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


def visit(address: str) -> Visitor:
    """A page as the Hub shows it: the name of the Space in front, the browser's id remembered."""
    visitor = Visitor(address, {"Origin": "https://me-loom.hf.space", "Host": "me-loom.hf.space"})
    prefs = next(c["id"] for c in visitor.components.values() if c["type"] == "browserstate")
    visitor.values[prefs] = {"owner": OWNER, "language": "en"}
    return visitor.open()


def wait_for_the_end(visitor: Visitor) -> str:
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        visitor.tick()
        found = re.search(r'data-state="(\w+)"', str(visitor.value("run-progress")))
        if found and found[1] in ("succeeded", "failed", "cancelled", "interrupted"):
            return found[1]
        time.sleep(0.5)
    return str(visitor.value("run-progress"))


def test_the_sample_project_on_a_space(tmp_path: Path) -> None:
    bucket = tmp_path / "bucket"
    with running_space(tmp_path / "first", TASKLOOM_BUCKET=str(bucket)) as address:
        visitor = visit(address)
        assert "forgets" not in visitor.value("home-intro")
        visitor.fire("project-sample", "click")
        config = change_config(RunConfig(), QUICK)
        visitor.values[visitor.ids["yaml"]] = config_to_yaml(config)
        visitor.look_at("train").fire("yaml-apply", "click")
        assert 'data-ready="yes"' in visitor.value("ready")
        visitor.fire("start", "click")
        assert wait_for_the_end(visitor) == "succeeded"
        assert "review_verdict" in visitor.look_at("results").value("results-table")
        visitor.look_at("try_it")
        visitor.values[visitor.ids["try-input-0"]] = "Great screen, poor battery."
        visitor.fire("try-ask", "click")
        assert 'data-done="1"' in str(visitor.value("try-answers"))
        time.sleep(1)
        wait_until_copied(bucket)
    with running_space(tmp_path / "second", TASKLOOM_BUCKET=str(bucket)) as address:
        again = visit(address)
        assert "review_verdict" in str(again.look_at("tasks").value("task-cards"))
        assert "review_verdict" in again.look_at("results").value("results-table")
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or b"hf_secret" not in file.read_bytes(), file


def wait_until_copied(bucket: Path) -> None:
    """The copies come every minute; one is whole once its list of files is there."""
    end = time.monotonic() + 90
    while time.monotonic() < end and not any((p.parent / COPIED).exists() for p in bucket.rglob("*/r2*/*/DONE")):
        time.sleep(0.5)


def test_a_space_without_a_bucket_says_that_it_forgets(tmp_path: Path) -> None:
    with running_space(tmp_path / "home") as address:
        visitor = visit(address)
        assert "forgets" in visitor.value("home-intro")
        stranger = Visitor(address, {"Origin": "https://evil.example"})
        assert stranger.request("POST", "/gradio_api/queue/join", {"data": []})[0] == 403


def test_the_card_of_the_space_fits_the_app() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8").split("---")[1]
    keys = re.findall(r"^(\w+):", text, re.M)
    assert len(keys) == len(set(keys)), "the Hub refuses a name that stands twice"
    front = yaml.safe_load(text)
    pins = dict(re.findall(r"^([a-z_]+)==([\d.]+)", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.M))
    assert front["sdk"] == "gradio"
    assert front["sdk_version"] == pins["gradio"]
    assert front["app_file"] == "app.py"
    assert front["python_version"].startswith("3.12")
    assert front["hf_oauth"] is True
    assert front["hf_oauth_scopes"] == ["contribute-repos"], "only what a push by one's own login needs"
    assert len(front["short_description"]) <= 60
    assert front["suggested_hardware"]
