"""Lines of `attack.py` that take more than a post: crowds of pages, exports, foreign models, every path read."""

from __future__ import annotations

import json
import pickle
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import gradio as gr
import psutil
from gradio.routes import App

from app.shell.fair_queue import SHARES
from core.training.config import RunConfig, change_config, config_to_yaml
from tests.security.conftest import ALICE, BOB, SharedPage
from tests.security.hostile import ADDRESS, JOIN
from tests.visiting import VisitError, Visitor

Outcome = tuple[bool, str]  # whether it held, and what was seen
SESSIONS = 700  # that evicted a visitor in use
UNREAD = "127.0.0.8"  # the address of one who fetches nothing
EXPORTS = 4  # pages, of a visitor who may have three at work
MOST_EXPORT_MB = 3 * 1536  # of the three that one visitor may have


def page_process() -> psutil.Process:
    return next(child for child in psutil.Process().children() if "app.py" in " ".join(child.cmdline()))


def models(page: SharedPage) -> Outcome:
    """Base models of a stranger, with code and pickles in them, are neither listed nor trained on."""
    folder, mark = Path(page.workspace.root) / "evil", page.workspace.root / "code-ran"
    folder.mkdir(exist_ok=True)
    config = {"model_type": "llama", "auto_map": {"AutoModelForCausalLM": "modeling.Evil"}}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "modeling.py").write_text(f"open({str(mark)!r}, 'w')", encoding="utf-8")
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(_Opens(str(mark))))
    visitor, said = page.visit("6" * 32), {}
    visitor.fire("project-sample", "click")
    for model in (str(folder), "evil/code", "/etc", "../evil", "https://evil.example/model"):
        wish = config_to_yaml(change_config(RunConfig(), {"base_model": model, "max_steps": 1}))
        visitor.values[visitor.ids["yaml"]] = wish
        said[model] = not _is_refused(lambda: visitor.fire("yaml-apply", "click"))
        said[model] &= not _is_refused(lambda: visitor.fire("start", "click"))
    runs = [run for p in page.workspace.list_projects("6" * 32) for run in p.runs_dir.glob("r*")]
    seen = f"{len(said)} foreign base models asked for: {len(runs)} runs begun, code ran: {mark.exists()}"
    return not runs and not mark.exists(), seen


class _Opens:
    """Writes a file when it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, str]]:
        return open, (self.path, "w")


def _is_refused(act: Callable[[], object]) -> bool:
    try:
        act()
    except (VisitError, OSError):
        return True
    return False


def sessions(page: SharedPage) -> Outcome:
    """New pages of one address by the hundred; the page of somebody else, in use, goes on."""
    alice, hostile = page.visit(ALICE), Visitor(page.address, source=ADDRESS)
    before = alice.value("task-cards")
    (any_event, *_) = hostile.listening(hostile.ids["start"], "click")  # refused, but a page is kept for it
    body, status = {"data": hostile._inputs(any_event), "fn_index": any_event["id"]}, Counter[int]()
    memory = page_process().memory_info().rss >> 20
    for number in range(SESSIONS):
        made = {**body, "session_hash": secrets.token_hex(6)}
        status[hostile.request("POST", JOIN, made)[0]] += 1
        if number % 50 == 0:
            alice.tick()  # as an open page does
    alice.look_at("tasks")
    goes_on = bool(before) and alice.value("task-cards") == before
    grown = (page_process().memory_info().rss >> 20) - memory
    told = f"{SESSIONS} new pages of one address ({dict(status)}): the page grew by {grown} MB"
    return goes_on and grown < 1024, f"{told}, another's page {'goes on' if goes_on else 'WAS LOST'}"


def unread(page: SharedPage) -> Outcome:
    """Answers that nobody fetches lie in the page's memory: so many and no more."""
    hostile = Visitor(page.address, source=UNREAD)
    (event, *_) = hostile.listening(hostile.ids["start"], "click")
    body = {"data": hostile._inputs(event), "fn_index": event["id"], "session_hash": hostile.session}
    status, end = Counter[int](), time.monotonic() + 20
    while time.monotonic() < end and sum(status.values()) < 400:
        status[hostile.request("POST", JOIN, body)[0]] += 1
        time.sleep(0.02)  # so that they are answered, and wait no longer
    return 0 < status[200] <= SHARES["page"].open, f"400 events whose answers nobody fetches: {dict(status)}"


def exports(page: SharedPage) -> Outcome:
    """Exports asked for at once from several pages of one visitor: how many work, what they take, what is left when
    nobody waits any more."""
    pages = [page.visit(ALICE) for _ in range(EXPORTS)]
    for alice in pages:
        alice.fire("choose-run", "input", value=page.run_id)
        # A click notes the wish, and what follows from it exports: all of that is fired.
        asking = threading.Thread(target=lambda alice=alice: _is_refused(lambda: _ask(alice)), daemon=True)
        asking.start()
    most, memory, end = 0, 0, time.monotonic() + 45
    while time.monotonic() < end:
        at_work = _exporting()
        most, memory = max(most, len(at_work)), max(memory, sum(at_work))
        time.sleep(0.1)
    end = time.monotonic() + 60
    while _exporting() and time.monotonic() < end:
        time.sleep(0.5)
    left = len(_exporting())
    seen = f"{EXPORTS} pages of one visitor export at once: {most} at work with {memory} MB at most, {left} left"
    return 1 <= most <= 3 and memory <= MOST_EXPORT_MB and left == 0, seen


def _ask(visitor: Visitor) -> None:
    visitor.look_at("share")
    visitor.fire("share-make", "click")


def _exporting() -> list[int]:
    """MB of each process that exports."""
    found = []
    for process in page_process().children(recursive=True):
        try:
            if "export" in process.cmdline():
                found.append(process.memory_info().rss >> 20)
        except psutil.Error:  # ended meanwhile
            continue
    return found


def reading(page: SharedPage) -> Outcome:
    """Every path of the server that can be read, with ids of somebody else wherever an id goes, changes nothing."""
    before, projects = page.state(), len(page.workspace.list_projects())
    alice, bob = page.visit(ALICE), page.visit(BOB)
    with gr.Blocks() as demo:
        pass
    paths = {str(r.path) for r in App.create_app(demo).routes if "GET" in (getattr(r, "methods", None) or ())}
    ids = [page.project.project_id, page.run_id, alice.session, f"{page.project.path}/project.json"]
    asked = [_filled(path, number) for path in sorted(paths) for number in ids]
    asked += [f"{JOIN}?fn_index={event['id']}&session_hash={alice.session}" for event in alice.events]
    asked = [path for path in asked if "queue/data" not in path and "heartbeat" not in path]  # they stay open
    status, leaked = Counter[int](), []
    for path in asked:
        code, answer = bob.request("GET", path)
        status[code] += 1
        if page.project.project_id.encode() in answer or page.run_id.encode() in answer:
            leaked += [path] if code == 200 else []
    same = page.state() == before and len(page.workspace.list_projects()) == projects
    return same and not leaked, f"{len(asked)} paths read ({dict(status)}): nothing changed {same}, leaked {leaked}"


def _filled(path: str, value: str) -> str:
    while "{" in path:
        start, end = path.index("{"), path.index("}")
        path = f"{path[:start]}{value}{path[end + 1 :]}"
    return f"{path}?id={value}&session_hash={value}&event_id={value}"
