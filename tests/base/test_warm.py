"""A program that is kept ready: its children cost, see and end as those that are started from nothing."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from core.base import warm
from core.base.errors import RunError
from core.base.gate import Gate, gated
from core.base.limits import Limits
from core.base.processes import Finished, Order, end_group, python, run_to_end, start_piped
from core.base.warm import WarmProgram
from tests.base.test_processes import WAIT_S, is_gone, wait_for

PROGRAM = """
import json, os, resource, subprocess, sys, time
KEPT = []

def main():
    code = sys.stdin.read()
    KEPT.append(len(code))
    exec(code)
    return 0

if __name__ == "__main__":
    sys.exit(main())
"""
SEEN = """
limits = {n: resource.getrlimit(getattr(resource, n)) for n in dir(resource) if n.startswith("RLIMIT_")}
print(json.dumps({
    "kept": KEPT, "group": os.getpgid(0) == os.getpid(), "folder": os.getcwd(), "limits": limits,
    "files": sorted(int(n) for n in os.listdir("/proc/self/fd")), "environment": dict(os.environ),
}))
"""
BOUNDS = Limits(50, 700 << 20, 1 << 20, 64)
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux only")


def ready(program: WarmProgram) -> int:
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        if program.pid is not None:
            return program.pid
        time.sleep(0.02)
    raise AssertionError("no server")


@pytest.fixture(scope="module")
def order(tmp_path_factory: pytest.TempPathFactory) -> Order:
    folder = tmp_path_factory.mktemp("program")
    (folder / "told.py").write_text(PROGRAM, encoding="utf-8")
    (folder / "threaded.py").write_text(
        "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n", encoding="utf-8"
    )
    path = f"{folder}{os.pathsep}{Path.cwd()}"
    return Order(python("-m", "told"), variables={"PYTHONPATH": path}, is_bare=True, limits=BOUNDS)


@pytest.fixture(scope="module")
def program(order: Order) -> Iterator[WarmProgram]:
    patch = pytest.MonkeyPatch()
    patch.setattr(warm, "PAUSE_S", 0.1)
    patch.setenv("HF_TOKEN", "secret123")
    kept = WarmProgram(order, ["told"])
    with kept.kept():
        ready(kept)
        yield kept
    patch.undo()


def both(program: WarmProgram, order: Order, code: str) -> tuple[Finished, Finished]:
    """What a warm child and one from nothing come to."""
    server = psutil.Process(ready(program))
    hot = run_to_end(order, WAIT_S, code)
    assert server.is_running()
    return hot, run_to_end(replace(order, variables={**order.variables, "COLD": "1"}), WAIT_S, code)


def test_it_is_what_one_from_nothing_is(program: WarmProgram, order: Order) -> None:
    """Limits, group, folder, open files and environment are the same; nothing of an order before is left."""
    run_to_end(order, WAIT_S, "KEPT.append('of another')")
    hot, cold = (json.loads(done.output) for done in both(program, order, SEEN))
    assert "secret123" not in hot["environment"].values()
    assert cold["environment"].pop("COLD") == "1"
    assert hot == cold
    assert hot["limits"]["RLIMIT_AS"] == [BOUNDS.memory_bytes] * 2
    assert hot["limits"]["RLIMIT_CPU"] == [50, 51]
    assert hot["kept"] == [len(SEEN)]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("print('é' * 100_000)", ""),
        ("raise ValueError('a last word')", "ValueError: a last word"),
        ("sys.exit(7)", ""),
        ("b'x' * (1 << 30)", "MemoryError"),
        ("open(os.devnull) and [open(os.devnull) for _ in range(100)] and open('/proc/self/no')", "Too many open"),
        ("os.kill(os.getpid(), 11)", ""),
    ],
)
def test_it_ends_as_one_from_nothing_ends(program: WarmProgram, order: Order, code: str, said: str) -> None:
    hot, cold = both(program, order, code)
    assert (hot.code, hot.output) == (cold.code, cold.output)
    assert said in hot.last_words
    assert said in cold.last_words


def test_its_processor_time_is_its_own_and_bounded(program: WarmProgram, order: Order) -> None:
    busy = replace(order, limits=replace(BOUNDS, cpu_s=1))
    assert run_to_end(busy, WAIT_S, "while True: pass").code == -signal.SIGXCPU


GRANDCHILD = """
p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])
open({note!r}, 'w').write(str(p.pid))
"""


def test_it_ends_with_its_children_when_nobody_waits(program: WarmProgram, order: Order, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    long = GRANDCHILD.format(note=str(note)) + "time.sleep(60)"
    with pytest.raises(TimeoutError, match="2 s"):
        run_to_end(order, 2, long)
    assert is_gone(int(note.read_text()))
    note.unlink()
    with gated(Gate(lambda _: threading.Lock(), note.exists)), pytest.raises(RunError) as caught:
        run_to_end(order, WAIT_S, "time.sleep(60)")
    assert caught.value.key == "run.unwanted"
    assert not psutil.Process(ready(program)).children()
    assert run_to_end(order, WAIT_S, GRANDCHILD.format(note=str(note))).code == 0
    assert is_gone(int(note.read_text()))  # what a child leaves behind goes with it


def test_many_at_once(program: WarmProgram, order: Order) -> None:
    found: dict[int, str] = {}

    def ask(number: int) -> None:
        found[number] = run_to_end(order, WAIT_S, f"time.sleep(0.2); print({number})").output

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: f"{number}\n" for number in range(12)}


def test_a_server_that_is_killed_takes_its_children_along_and_is_started_again(
    program: WarmProgram, order: Order, tmp_path: Path
) -> None:
    before, note, ended = ready(program), tmp_path / "pid", []

    def ask() -> None:
        ended.append(run_to_end(order, WAIT_S, f"open({str(note)!r}, 'w').write(str(os.getpid())); time.sleep(60)"))

    asker = threading.Thread(target=ask)
    asker.start()
    child = int(wait_for(note))
    os.kill(before, signal.SIGKILL)
    asker.join(WAIT_S)
    assert is_gone(child)
    assert ended[0].code == 1
    assert "had started this one ended" in ended[0].last_words
    assert run_to_end(order, WAIT_S, "print(os.getppid())").code == 0  # from nothing, or of the next server
    assert is_gone(before)
    assert ready(program) != before
    assert run_to_end(order, WAIT_S, "print(os.getppid())").output == f"{program.pid}\n"


def test_a_server_that_does_not_answer_is_replaced(
    program: WarmProgram, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warm, "ANSWER_S", 0.5)
    stuck = ready(program)
    os.kill(stuck, signal.SIGSTOP)
    assert run_to_end(order, WAIT_S, "print(os.getppid())").output == f"{os.getpid()}\n"
    assert is_gone(stuck)
    assert ready(program) != stuck


def test_it_dies_with_the_program_that_keeps_it(order: Order, tmp_path: Path) -> None:
    note = tmp_path / "pids"
    asked = f"open({str(note)!r}, 'w').write(f'{{os.getpid()}} {{os.getppid()}}\\n'); time.sleep(60)"
    outer = (
        "import time\nfrom core.base.processes import Order, python, run_to_end\n"
        "from core.base.warm import WarmProgram\n"
        f"order = Order(python('-m', 'told'), variables={dict(order.variables)!r}, is_bare=True)\n"
        "program = WarmProgram(order, ['told'])\n"
        "with program.kept():\n"
        "    while program.pid is None: time.sleep(0.02)\n"
        f"    run_to_end(order, 60, {asked!r})\n"
    )
    parent = start_piped(Order(python("-c", outer), tmp_path), tmp_path / "log")
    child, server = map(int, wait_for(note, "\n").split())
    assert server != parent.pid
    os.kill(parent.pid, signal.SIGKILL)
    end_group(parent)
    assert is_gone(server)
    assert is_gone(child)
    assert parent.stdin is not None
    assert parent.stdout is not None
    parent.stdin.close()
    parent.stdout.close()


def test_none_is_kept_of_a_program_with_threads(
    order: Order, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A fork would copy one of them and the locks of the others; its children are started from nothing."""
    monkeypatch.setattr(warm, "PAUSE_S", 0.0)
    monkeypatch.setattr(warm, "MOST_FAILURES", 1)
    kept = WarmProgram(order, ["told", "threaded"])
    with kept.kept():
        keeper = next(thread for thread in reversed(threading.enumerate()) if thread.name == "warm told")
        keeper.join(WAIT_S)
        assert kept.pid is None
    assert "1 more threads after importing told, threaded" in capfd.readouterr().err
