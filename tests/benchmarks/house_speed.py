"""What moving the house did to its speed: two commits in turns, each with processes of its own.

    python tests/benchmarks/house_speed.py before-floor-plan [--rounds 7]

REF's tree and the working tree are asked one after the other in every round (A B, A B, ..), so that a busy machine
slows both alike, and seconds of the processor are counted: medians, and median and quartiles of the ratio of now to
before in a round. A step is one of `step_variants.py` (small Llama shape, 3 blocks, 4 rows of 128 tokens, one
thread). Also counted: the files of core/ in which lines run during one forward pass of C-Poly (`kernel: plain`, the
base model's own norms), and their lines.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from house import ROOT, tree_of

STEPPER = """
import json, sys, time
sys.path[:0] = ["tests/benchmarks", "."]
import torch
torch.set_num_threads(1)
from step_variants import Bench, Workload, build_base
work = Workload("small", 4, 128, 4, "float32", "cpu", 3)
base = build_base(work)
benches = {name: Bench(name, work, base) for name in %r}
for line in sys.stdin:
    print(json.dumps(benches[line.strip()].timed()), flush=True)
"""
READER = """
import json, sys
from pathlib import Path
sys.path[:0] = ["tests/benchmarks", "."]
import torch
from step_variants import Bench, Workload, build_base
try:
    from core.adapters.fast.recompute import undo_lean
except ImportError:
    from core.adapters.lean import undo_lean
work = Workload("tiny", 1, 8, 4, "float32", "cpu")
model = Bench("cpoly-plain", work, build_base(work)).model
undo_lean(model.base)
seen = set()
sys.setprofile(lambda frame, event, _: seen.add(frame.f_code.co_filename) if event == "call" else None)
model(torch.tensor([[1, 2, 3]]), task_ids=[1])
sys.setprofile(None)
here = Path.cwd() / "core"
ours = [Path(name) for name in seen if Path(name).is_relative_to(here)]
print(json.dumps([len(ours), sum(len(path.read_text().splitlines()) for path in ours)]))
"""
VARIANTS = ("cpoly", "cpoly-plain", "lora")
HELP = [sys.executable, "-m", "core", "--help"]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": ""}
Pairs = list[tuple[float, float]]
TICKS = os.sysconf("SC_CLK_TCK")
PORT, PAGES = 7931, 5  # a start of the page takes as long as a hundred of the command line


class Stepper:
    """A process that trains: a step for every line it is given."""

    def __init__(self, root: Path) -> None:
        command = [sys.executable, "-c", STEPPER % (VARIANTS,)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self.process: Any = subprocess.Popen(command, cwd=root, env=ENVIRONMENT, text=True, **pipes)  # type: ignore[call-overload]

    def seconds(self, variant: str) -> float:
        self.process.stdin.write(f"{variant}\n")
        self.process.stdin.flush()
        return float(json.loads(self.process.stdout.readline()))

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


def help_seconds(root: Path) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(HELP, cwd=root, env=ENVIRONMENT, stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def page_seconds(root: Path, port: int) -> float:
    """Of the page's process until it answers."""
    with tempfile.TemporaryDirectory() as workspace:
        command = [sys.executable, "app.py", "--port", str(port), "--workspace", workspace]
        process = subprocess.Popen(
            command, cwd=root, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            _wait_for(port, process)
            fields = Path(f"/proc/{process.pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
            return (int(fields[11]) + int(fields[12])) / TICKS  # utime and stime, proc(5)
        finally:
            process.kill()
            process.wait()


def _wait_for(port: int, process: Any) -> None:
    while process.poll() is None:
        address = f"http://127.0.0.1:{port}"
        with contextlib.suppress(urllib.error.URLError, OSError), urllib.request.urlopen(address, timeout=30):
            return
        time.sleep(0.1)
    raise RuntimeError(f"the page ended with {process.returncode}")


def read_pass(root: Path) -> tuple[int, int]:
    done = subprocess.run(
        [sys.executable, "-c", READER], cwd=root, env=ENVIRONMENT, text=True, capture_output=True, check=True
    )
    files, lines = json.loads(done.stdout)
    return files, lines


def in_turns(before: Path, rounds: int) -> Iterator[tuple[str, Pairs]]:
    """(before, now) of every round; the first one warms up and is left out."""
    found: dict[str, Pairs] = {name: [] for name in VARIANTS}
    steppers = [Stepper(root) for root in (before, ROOT)]
    try:
        for _ in range(rounds + 1):
            for name in VARIANTS:
                found[name].append((steppers[0].seconds(name), steppers[1].seconds(name)))
    finally:
        for stepper in steppers:
            stepper.close()
    for name, pairs in found.items():
        yield f"step of {name}", pairs[1:]
    yield "python -m core --help", [(help_seconds(before), help_seconds(ROOT)) for _ in range(rounds + 1)][1:]
    pages = [(page_seconds(before, PORT), page_seconds(ROOT, PORT)) for _ in range(min(rounds, PAGES) + 1)]
    yield "page until it answers", pages[1:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ref", metavar="REF")
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        before = tree_of(given.ref, Path(folder))
        for name, (files, lines) in ((given.ref, read_pass(before)), ("now", read_pass(ROOT))):
            print(f"a forward pass of C-Poly, {name}: {files} files, {lines} lines", flush=True)
        print(f"{'processor seconds':24}{'before':>10}{'now':>10}{'now / before (quartiles)':>30}")
        for name, pairs in in_turns(before, given.rounds):
            low, middle, high = statistics.quantiles([now / then for then, now in pairs], n=4)
            then, now = (statistics.median(side) for side in zip(*pairs, strict=True))
            print(f"{name:24}{then:10.3f}{now:10.3f}{middle:14.3f} ({low:.3f} to {high:.3f})", flush=True)


if __name__ == "__main__":
    main()
