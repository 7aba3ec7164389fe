"""Attacks our own running page, on loopback and bounded, line by line of `../shared/design/security.md`.

    python -m tests.security.attack ["12 workers" ...]

Prints for every line whether it held and how it was tried; ends with 1 when one did not. Takes some minutes: it
starts the page three times, and two real browsers. The suite holds the same lines one by one; this looks at them
together, as an intruder would.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from core.base.formulas import guard
from core.base.processes import child_environment
from tests.security import more_attacks
from tests.security.conftest import BOB, SharedPage, make_page
from tests.security.foreign_sites import other_sites
from tests.security.hostile import HOSTILE, JOIN
from tests.security.more_attacks import page_process
from tests.security.test_owners import call_everything, marks_in
from tests.security.test_rules_of_the_house import FLOORS, SOURCES, faults_in
from tests.tasks.test_one_door import bomb
from tests.tiny_models import build_tiny_llama
from tests.visiting import VisitError, Visitor

QUOTA = "runs=1,minutes=30,disk_mb=20,projects=3,queue=3,free_mb=1"
Outcome = tuple[bool, str]  # whether it held, and what was seen


def refused(act: Callable[[], object]) -> bool:
    try:
        act()
    except (VisitError, OSError):
        return True
    return False


def words_of(act: Callable[[], object]) -> str:
    """What the page said against it, "" when it did it."""
    try:
        act()
    except VisitError as error:
        return str(error)[:90]
    return ""


@contextmanager
def peak_memory() -> Iterator[list[int]]:
    """-> the most megabytes that the page's own process had meanwhile."""
    process, peak, done = page_process(), [0], threading.Event()

    def look() -> None:
        while not done.wait(0.05):
            peak[0] = max(peak[0], process.memory_info().rss >> 20)

    watching = threading.Thread(target=look, daemon=True)
    watching.start()
    try:
        yield peak
    finally:
        done.set()
        watching.join()


# The lines
def packages(_: SharedPage) -> Outcome:
    found = {name: version(name).split("+")[0] for name in FLOORS}
    low = [n for n, v in found.items() if tuple(int(x) for x in v.split(".") if x.isdigit()) < FLOORS[n]]
    return not low, f"installed: {found}"


def sources(_: SharedPage) -> Outcome:
    faults = {path.name: f for path in SOURCES if (f := faults_in(path.read_text(encoding="utf-8")))}
    return not faults, f"{len(SOURCES)} sources read for pickles, code of models and shells: {faults or 'none'}"


def files(page: SharedPage) -> Outcome:
    visitor = page.visit(HOSTILE)
    paths = [
        "/etc/passwd",
        f"{page.workspace.root}/runs.db",
        f"{page.project.path}/project.json",
        "..%2f..%2fetc/passwd",
    ]
    got = [path for path in paths if visitor.request("GET", f"/gradio_api/file={path}")[0] == 200]
    stored = visitor.upload("../../../up.csv", b"text,label\n")["path"]
    inside = Path(stored).resolve().is_relative_to(page.workspace.root.resolve())
    return not got and inside, f"{len(paths)} paths outside, an upload named ../../../up.csv: served {got}"


def bombs(page: SharedPage) -> Outcome:
    visitor = page.visit(HOSTILE)
    visitor.fire("project-name", "submit", value="Bombs")
    before, said = page_process().memory_info().rss >> 20, []
    with peak_memory() as peak:
        for name, content in (
            ("tasks/t1/train.jsonl", b"[" * (64 << 20)),
            ("tasks/t1/task.json", b'{"a":' + b" " * (200 << 20) + b"1}"),
        ):
            pack = visitor.upload("pack.zip", bomb(name, content))
            said.append(words_of(lambda pack=pack: visitor.fire("pack-take", "upload", value=pack)))
        nested = visitor.upload("deep.json", b"[" * 200_000)
        visitor.fire("task-files", "upload", value=[nested])
    grown = peak[0] - before
    how = f"packs that unpack to 64 and 200 MB, JSON 200,000 deep: the page grew by {grown} MB, and said {said[:2]}"
    return grown < 300 and all(said[:2]), how


def owners(page: SharedPage) -> Outcome:
    before, bob = page.state(), page.visit(BOB)
    sent = [call for number in page.ids for call in call_everything(bob, page, number)]
    marks = marks_in(sent, page)
    return (
        not marks and page.state() == before,
        f"{len(sent)} calls with another's ids: {marks or 'nothing'} leaked",
    )


def load(page: SharedPage) -> Outcome:
    hostile, other = page.visit(HOSTILE), page.visit(BOB)
    (slow,) = hostile.listening(hostile.ids["project-sample"], "click")  # copies files and opens a project
    event = {"data": hostile._inputs(slow), "fn_index": slow["id"], "session_hash": hostile.session}
    answers: list[int] = []
    threads = [
        threading.Thread(target=lambda: answers.extend(hostile.request("POST", JOIN, event)[0] for _ in range(50)))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    began = time.monotonic()
    other.look_at("tasks")
    took = time.monotonic() - began
    for thread in threads:
        thread.join()
    maker = page.visit(HOSTILE)
    for number in range(12):
        refused(lambda number=number: maker.fire("project-name", "submit", value=f"Flood {number}"))
    projects = len(page.workspace.list_projects(HOSTILE))
    held = projects <= 3 and not refused(lambda: other.look_at("home"))
    said = f"300 posts in a row ({answers.count(200)} taken), another's screen in {took:.1f} s meanwhile"
    return held, f"{said}; 12 projects asked for, {projects} of 3 made"


def disk(page: SharedPage) -> Outcome:
    nobody = refused(lambda: Visitor(page.address).upload("rows.csv", b"x" * 1000))
    hostile = page.visit("f" * 32)
    taken = sum(not refused(lambda n=n: hostile.upload("rows.csv", bytes([65 + n]) * (3 << 20))) for n in range(10))
    return (
        nobody and taken <= 6,
        f"without a session: {'refused' if nobody else 'TAKEN'}; {taken} of 10 times 3 MB, share 20",
    )


def login(_: SharedPage) -> Outcome:
    os.environ["HF_TOKEN"] = "hf_attack"
    found = "hf_attack" in str(child_environment())
    del os.environ["HF_TOKEN"]
    return not found, "a token in the environment reaches no child"


def launch(page: SharedPage) -> Outcome:
    visitor = Visitor(page.address)
    paths = [
        "run/predict",
        "api/predict",
        "call/projects",
        "openapi.json",
        "deep_link",
        "token",
        "mcp/",
        "vibe-edit",
    ]
    status = [visitor.request("POST", f"/gradio_api/{path}", {"data": []})[0] for path in paths]
    return set(status) <= {403, 404, 405}, f"{len(paths)} paths of Gradio: {sorted(set(status))}"


def addresses(page: SharedPage) -> Outcome:
    target = "http://169.254.169.254/x"
    status = [Visitor(page.address).request("GET", f"/gradio_api/{way}={target}")[0] for way in ("proxy", "file")]
    return set(status) <= {403, 404}, f"two ways to let the page fetch: {status}"


def exports(_: SharedPage) -> Outcome:
    starts = ("=1", "+a", "-a", "@x", "\t=1", "\n=1", "\r=1", "＝1", "＋1", "－1", "＠x")
    bad = [text for text in starts if guard(text) == text]
    return not bad, f"beginnings of formulas: {bad or 'all guarded'}"


def deletion(page: SharedPage) -> Outcome:
    visitor, word = page.visit("9" * 32), "quartzfinch"
    visitor.fire("project-name", "submit", value=word)
    visitor.fire(
        "task-files", "upload", value=[visitor.upload(f"{word}.csv", f"text,label\n{word},a\nb,c\n".encode() * 30)]
    )
    visitor.values[visitor.ids["project-remove-sure"]] = True
    visitor.fire("project-remove", "click")
    left = [p for p in page.workspace.root.rglob("*") if p.is_file() and word.encode() in p.read_bytes()]
    return not left, f"a project deleted, its word looked for: {[str(p.name) for p in left] or 'nowhere'}"


def texts(page: SharedPage) -> Outcome:
    visitor, times = page.visit(HOSTILE), []
    kinds = (
        "a: " + "[" * 6000,
        "&a [*a]",
        "num_layers: 1000000000",
        "a: " + "9" * 19_000,
        "a: !!int x",
        "? " * 9000,
    )
    for text in kinds:
        began, visitor.values[visitor.ids["yaml"]] = time.monotonic(), text
        refused(lambda: visitor.fire("yaml-apply", "click"))
        times.append(time.monotonic() - began)
    return max(times) < 5, f"{len(kinds)} settings that cost time: {max(times):.1f} s at most"


def words(page: SharedPage) -> Outcome:
    """Names and rows that are markup come back as text."""
    visitor, mark = page.visit("7" * 32), "<img src=x onerror=alert(1)>"
    visitor.fire("project-name", "submit", value=mark)
    rows = "text,label\n" + "".join(f"{mark} {n},{'<script>a' if n % 2 else 'b'}\n" for n in range(40))
    visitor.fire("task-files", "upload", value=[visitor.upload("rows.csv", rows.encode())])
    visitor.look_at_all()
    drawn = [str(visitor.values[n]) for n, c in visitor.components.items() if c["type"] == "html"]
    raw = [text for text in drawn if mark in text or "<script>a" in text]
    return not raw, f"markup as name and rows: {len(drawn)} pieces of the page, {len(raw)} with it unescaped"


def damage(page: SharedPage) -> Outcome:
    mine = page.workspace.create_project("Broken", "8" * 32)
    (mine.path / "project.json").write_bytes(b'{"proj')
    others = not refused(lambda: page.visit(BOB).look_at("tasks"))
    return others, "project.json of one owner cut short: another's page opens"


LINES: dict[str, Callable[[SharedPage], Outcome]] = {
    "1 packages": packages, "2 sources": sources, "2 models": more_attacks.models, "3 files": files,
    "4 bombs": bombs, "5 owners": owners, "6 load": load, "6 pages": more_attacks.sessions,
    "6 unread": more_attacks.unread, "6 disk": disk,
    "7 login": login, "8 launch": launch, "8/14 other sites": other_sites, "9 addresses": addresses,
    "10 words": words, "11 exports": exports, "12 workers": more_attacks.exports, "13 deletion": deletion,
    "14 reading": more_attacks.reading, "15 texts": texts, "15 damage": damage,
}  # fmt: skip


def main() -> int:
    os.environ["TASKLOOM_QUOTA"] = QUOTA
    broken = 0
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as held_open:
        root = Path(folder)
        model_dir = build_tiny_llama(root / "model")
        page = held_open.enter_context(make_page(root / "home", model_dir, "--allow-host", "http://box.lan"))
        for line, attack in LINES.items():
            if sys.argv[1:] and line not in sys.argv[1:]:
                continue
            held, how = attack(page)
            broken += not held
            print(f"{line:<26} {'held' if held else 'BROKEN':<7} {how}", flush=True)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
