"""What visits leave in the memory of the page's process: pages opened, clicked through and closed in turn.

    python -m tests.benchmarks.page_memory --visits 400 --folder /tmp/visits [--write]

Each visit is a page of its own, as browsers open it: it holds its heartbeat, looks at all screens, chooses a task,
a goal, a layer and colours, polls, and closes. Visitors are those of `load.py`, each with a trained run, and come
from addresses of their own. The process is looked at after each 50 visits; flat means that the later ones add
nothing: `growth` is what a hundred visits add, by a line through the second half. `--write` puts the figures into
assets/docs/page_memory.json.
"""

from __future__ import annotations

import argparse
import http.client
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.benchmarks import load  # noqa: E402
from tests.benchmarks.click_cost import Server  # noqa: E402
from tests.browser.driving import running_app  # noqa: E402

PAGE = ROOT / "assets" / "docs" / "page_memory.json"
OWNERS, LOOK_EVERY = 4, 50
CLICKS = ("task", "level", "skills", "moment", "train")


class Visit(load.Guest):
    """A guest who neither waits nor stays."""

    def go(self) -> None:
        self._open()
        own = (self.source, 0)
        beats = http.client.HTTPConnection(self.page.host, self.page.port, timeout=60, source_address=own)
        beats.request("GET", f"/gradio_api/heartbeat/{self.page.session}", headers=self.page.headers)
        stream = beats.getresponse()
        self.page.look_at_all()
        for kind in CLICKS:
            self._click(kind)
        self.page.tick()
        stream.close()
        beats.close()


def measure(root: Path, visits: int) -> dict[str, Any]:
    owners = [f"{number:032x}" for number in range(1, OWNERS + 1)]  # the first of `load.py` trains
    if not (root / "projects").exists():
        load.prepare(root, OWNERS + 1)
    looks: list[tuple[int, float]] = []
    with running_app(root, "--shared") as address:
        server, began = Server(), time.monotonic()
        for number in range(visits):
            if number % LOOK_EVERY == 0:
                looks.append((number, round(server.memory_mb(), 1)))
                print(json.dumps({"visits": number, "mb": looks[-1][1]}), flush=True)
            Visit.source = f"127.0.0.{2 + number % 200}"
            visit = Visit(address, owners[number % OWNERS], load.Record(), time.monotonic() + 3600)
            visit.go()
        looks.append((visits, round(server.memory_mb(), 1)))
        seconds = time.monotonic() - began
    later = looks[len(looks) // 2 :]
    slope = float(np.polyfit(*zip(*later, strict=True), 1)[0]) if len(later) > 1 else float("nan")
    found = {"visits": visits, "seconds": round(seconds), "mb_after_visits": looks}
    return {**found, "growth_mb_per_100_visits": round(100 * slope, 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--visits", type=int, default=400)
    parser.add_argument("--folder", type=Path, help="a workspace that is made once and used again")
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="taskloom-visits-") as folder:
        found = measure(asked.folder or Path(folder), asked.visits)
    print(json.dumps(found, indent=1))
    if asked.write:
        PAGE.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
