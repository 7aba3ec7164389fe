"""What one visitor costs the page's server: processor time of an opening and of each kind of click, memory a page.

    python tests/benchmarks/click_cost.py --times 12 --pages 12 --write

Seconds depend on what else the machine does; processor time hardly does, so this can be run on a busy one, and two
revisions are compared by running it in the checkout of each with the same --folder. The visitor is the one of
`load.py`, alone with a trained run. `--write` puts the figures into assets/docs/load.md.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.benchmarks import load  # noqa: E402
from tests.browser.driving import running_app  # noqa: E402
from tests.visiting import SCREENS  # noqa: E402

SCREEN_KINDS = ("task", "train", "level", "skills", "moment", "chat")
PLACES = ("<!-- cost:begin -->\n", "<!-- cost:end -->")


class Server:
    """The process that serves the page, as this one sees it."""

    def __init__(self) -> None:
        self.process = next(c for c in psutil.Process().children() if "app.py" in " ".join(c.cmdline()))

    def spent_s(self) -> float:
        """Processor time so far, with that of children that ended."""
        return sum(self.process.cpu_times()[:4])

    def memory_mb(self) -> float:
        return float(self.process.memory_info().rss) / 2**20


def visitor(address: str, owner: str) -> Any:
    """A guest who neither waits nor ends by the clock."""
    return load.Guest(address, owner, load.Record(), time.monotonic() + 3600)


def cost_of_opening(server: Server, address: str, owner: str, pages: int) -> list[tuple[str, float, str]]:
    """-> (what, figure, unit); the first page is opened before, it fills what all share."""
    first = visitor(address, owner)
    first._open()
    first.page.look_at_all()
    begun, memory, requests = server.spent_s(), server.memory_mb(), 0.0
    guests = [visitor(address, owner) for _ in range(pages)]
    for guest in guests:
        guest._open()
    opened, after = server.spent_s(), server.memory_mb()
    for guest in guests:
        guest.page.look_at_all()
    seen = server.spent_s()
    for _ in range(pages):
        guests[0].page.request("GET", "/config")
    requests = server.spent_s() - seen  # which a browser does not ask for: it stands in the page
    return [
        ("opening the page", 1000 * (opened - begun - requests) / pages, "ms"),
        ("then opening all screens", 1000 * (seen - opened) / pages, "ms"),
        ("memory after the first page", memory, "MB"),
        ("memory a page more", (after - memory) / pages, "MB"),
        ("memory a page more that has seen all screens", (server.memory_mb() - memory) / pages, "MB"),
    ]


def cost_of_clicks(server: Server, address: str, owner: str, times: int) -> list[tuple[str, float, str]]:
    """-> (what, processor time of one, "ms"); a screen is opened and shown once before."""
    guest, found = visitor(address, owner), []
    guest._open()
    found.append(("poll", average(server, guest.page.tick, times), "ms"))
    for screen in SCREENS:
        both = [lambda s=name: guest.page.look_at(s) for name in (screen, "home" if screen != "home" else "tasks")]
        both[0](), both[1]()
        spent = 0.0
        for _ in range(times):
            spent += average(server, both[0], 1)
            both[1]()
        found.append((f"open {screen}", spent / times, "ms"))
    for kind in SCREEN_KINDS:
        guest._click(kind), guest._click(kind)  # once for the screen, once for what is read the first time
        began = len(guest.record.clicks)
        spent = average(server, lambda k=kind: guest._click(k), times)
        name = "chat: a whole answer" if kind == "chat" else guest.record.clicks[began][0]
        found.append((name, spent, "ms"))
    return found


def average(server: Server, act: Any, times: int) -> float:
    begun = server.spent_s()
    for _ in range(times):
        act()
    return 1000 * (server.spent_s() - begun) / times


def measure(root: Path, arguments: argparse.Namespace) -> list[tuple[str, float, str]]:
    owners = [f"{number:032x}" for number in range(2)]
    if not (root / "projects").exists():
        owners = load.prepare(root, 2)
    with running_app(root, "--shared") as address:
        server = Server()
        return [
            *cost_of_opening(server, address, owners[1], arguments.pages),
            *cost_of_clicks(server, address, owners[1], arguments.times),
        ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=12, help="clicks of each kind")
    parser.add_argument("--pages", type=int, default=12, help="pages opened one after the other")
    parser.add_argument("--folder", type=Path, help="a workspace that is made once and used again")
    parser.add_argument("--write", action="store_true", help="put the figures into assets/docs/load.md")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="taskloom-cost-") as folder:
        found = measure(arguments.folder or Path(folder), arguments)
    lines = ["| one visitor | processor time or memory |", "| --- | ---: |"]
    text = "\n".join(
        lines + [f"| {name} | {value:.{1 if unit == 'MB' else 0}f} {unit} |" for name, value, unit in found]
    )
    print(text)
    if arguments.write:
        head, _, rest = load.PAGE.read_text(encoding="utf-8").partition(PLACES[0])
        load.PAGE.write_text(
            f"{head}{PLACES[0]}{text}\n{PLACES[1]}{rest.partition(PLACES[1])[2]}", encoding="utf-8"
        )


if __name__ == "__main__":
    main()
