"""One hostile visitor: the attacks 1 to 8 that stopped or filled the page in November 2026, by HTTP, one by one.

He comes from an address of his own (127.0.0.2), as a stranger of the network would, and begins anew until he is
told to stop. What the page took and what it refused is counted by the kind of attack.
"""

from __future__ import annotations

import http.client
import io
import secrets
import subprocess
import sys
import threading
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from core.base.files import write_json_atomic
from core.training.config import RunConfig, change_config, config_to_yaml
from core.workspace import Workspace
from tests.tasks.test_one_door import bomb
from tests.visiting import VisitError, Visitor

HOSTILE = "e" * 32
ADDRESS = "127.0.0.2"
JOIN = "/gradio_api/queue/join"
EVIL = "http://evil.example"
THREADS = 6
REFUSALS = (VisitError, OSError, http.client.HTTPException)
LARGE = {"batch_size": 2048, "max_tokens": 1024, "max_steps": 100_000}


@dataclass
class Seen:
    """What became of the attacks: `taken` and `refused` by their kind."""

    taken: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)

    def count(self, kind: str, was_taken: bool) -> None:
        (self.taken if was_taken else self.refused)[kind] += 1


class HostileVisitor:
    """Attacks until it is ended; a fault of the attacker ends nothing but one attack. After each of them what was
    `seen` so far is written to `told`, as JSON."""

    def __init__(self, address: str, workspace: Workspace, told: Path, owner: str = HOSTILE) -> None:
        self.address, self.workspace, self.told, self.owner = address, workspace, told, owner
        self.seen, self.kind = Seen(), ""
        self.packs = [
            bomb("tasks/t1/train.jsonl", b"[" * (32 << 20)),
            bomb("tasks/t1/task.json", b'{"a":' + b" " * (60 << 20) + b"1}"),
        ]

    def attack(self, rounds: int) -> None:
        attacks: dict[str, Callable[[Visitor], None]] = {
            "1 posts of other sites": self.post_from_elsewhere, "2 posts at once": self.fill_the_queue,
            "3 bombs": self.bring_bombs, "4 uploads": self.fill_the_disk, "5 damaged project": self.damage_mine,
            "6 texts that cost time": self.cost_time, "7 large runs": self.begin_a_large_run,
            "8 starts, projects, pages at once": self.race,
        }  # fmt: skip
        for number in range(rounds):
            for kind, attack in attacks.items():
                self.kind = kind
                try:
                    attack(self._visitor())
                except REFUSALS:
                    self.seen.count(kind, False)
                counted = {"taken": dict(self.seen.taken), "refused": dict(self.seen.refused)}
                write_json_atomic(self.told, {**counted, "rounds": number + 1})

    # The attacks
    def post_from_elsewhere(self, visitor: Visitor) -> None:
        for more in ({"Origin": EVIL}, {"Origin": EVIL, "X-Forwarded-Host": "evil.example"}, {"Origin": "null"}):
            self._post(visitor, {"data": [], "fn_index": 0, "session_hash": "x"}, more)

    def fill_the_queue(self, visitor: Visitor) -> None:
        (slow,) = visitor.listening(visitor.ids["project-sample"], "click")
        event = {"data": visitor._inputs(slow), "fn_index": slow["id"], "session_hash": visitor.session}
        self._at_once([lambda: self._post(visitor, event)] * 300)

    def bring_bombs(self, visitor: Visitor) -> None:
        for pack in self.packs:
            self._try(lambda pack=pack: self._pack(visitor, pack))
        for name, data in (("deep.json", b"[" * 200_000), ("wide.xlsx", sheet_bomb())):
            self._try(lambda name=name, data=data: self._give(visitor, "task-files", [visitor.upload(name, data)]))

    def fill_the_disk(self, visitor: Visitor) -> None:
        self._try(lambda: Visitor(self.address, source=ADDRESS).upload("nobody.csv", b"x" * (1 << 20)))
        for number in range(14):
            self._try(lambda number=number: visitor.upload("rows.csv", bytes([65 + number]) * (3 << 20)))

    def damage_mine(self, visitor: Visitor) -> None:
        """What a crash or a full disk may do to his own project, in front of everybody's Home."""
        mine = self.workspace.list_projects(self.owner)
        if mine:
            (mine[0].path / "project.json").write_bytes(b'{"proj')
        self._try(lambda: visitor.look_at("home"))

    def cost_time(self, visitor: Visitor) -> None:
        for text in ("a: " + "[" * 6000, "&a [*a]", "num_layers: 1000000000", "a: " + "9" * 90_000, "- " * 40_000):
            self._give(visitor, "yaml", text, "yaml-apply")

    def begin_a_large_run(self, visitor: Visitor) -> None:
        self._give(visitor, "yaml", config_to_yaml(change_config(RunConfig(), LARGE)), "yaml-apply")
        self._try(lambda: visitor.fire("start", "click"))

    def race(self, visitor: Visitor) -> None:
        begins = [e for e in visitor.events if any(t[1] == "load" for t in e["targets"]) and e["backend_fn"]]
        first = {"data": visitor._inputs(begins[0]), "fn_index": begins[0]["id"]}
        pages = [{**first, "session_hash": secrets.token_hex(6)} for _ in range(120)]
        self._at_once([lambda page=page: self._post(visitor, page) for page in pages])
        tabs = [self._visitor() for _ in range(THREADS)]
        self._at_once([lambda tab=tab: self._try(lambda: tab.fire("start", "click")) for tab in tabs])
        named = [(tab, f"Race {n}") for n, tab in enumerate(tabs * 3)]
        self._at_once([lambda tab=tab, n=n: self._give(tab, "project-name", n, "", "submit") for tab, n in named])

    # What they stand on
    def _visitor(self) -> Visitor:
        visitor = Visitor(self.address, source=ADDRESS)
        prefs = next(c["id"] for c in visitor.components.values() if c["type"] == "browserstate")
        visitor.values[prefs] = {"owner": self.owner, "language": "en"}
        return visitor.open()

    def _try(self, act: Callable[[], object]) -> None:
        try:
            act()
        except REFUSALS:
            self.seen.count(self.kind, False)
        else:
            self.seen.count(self.kind, True)

    def _post(self, visitor: Visitor, body: object, more: dict[str, str] | None = None) -> None:
        self.seen.count(self.kind, visitor.request("POST", JOIN, body, more)[0] == 200)

    def _give(
        self, visitor: Visitor, field_id: str, value: object, button: str = "", event: str = "upload"
    ) -> None:
        visitor.values[visitor.ids[field_id]] = value
        fired, by = (button, "click") if button else (field_id, event)
        self._try(lambda: visitor.fire(fired, by, value=None if button else value))

    def _pack(self, visitor: Visitor, data: bytes) -> None:
        visitor.fire("pack-take", "upload", value=visitor.upload("pack.zip", data))

    def _at_once(self, acts: list[Callable[[], object]]) -> None:
        parts = [acts[number::THREADS] for number in range(THREADS)]
        threads = [
            threading.Thread(target=lambda part=part: [act() for act in part], daemon=True) for part in parts
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


@contextmanager
def attacking(address: str, root: Path, told: Path) -> Iterator[None]:
    """While the block runs, in a process of its own: the attacker's work must not count as the page's."""
    words = [sys.executable, "-m", "tests.security.hostile", address, str(root), str(told)]
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def sheet_bomb() -> bytes:
    """A workbook of a few KB whose sheet unpacks to 40 MB."""
    row = "<row>" + "<c t='inlineStr'><is><t>a</t></is></c>" * 20 + "</row>"
    book = io.BytesIO()
    with zipfile.ZipFile(book, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("[Content_Types].xml", "<Types/>")
        packed.writestr("xl/workbook.xml", "<workbook><sheets><sheet name='a' sheetId='1'/></sheets></workbook>")
        packed.writestr("xl/worksheets/sheet1.xml", f"<worksheet><sheetData>{row * 50_000}</sheetData></worksheet>")
    return book.getvalue()


if __name__ == "__main__":
    page, root, told = sys.argv[1:]
    HostileVisitor(page, Workspace(root), Path(told)).attack(rounds=1_000_000)
