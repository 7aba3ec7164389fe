"""Child processes: what they see, where they write, what they cost, and that none outlives whom it works for."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import psutil
import pytest

from core.base.limits import Limits
from core.base.processes import (
    Finished,
    Order,
    end_group,
    find_process,
    identity_of,
    python,
    run_to_end,
    start_detached,
    start_piped,
)

WAIT_S = 30


def wait_for(path: Path, text: str = "") -> str:
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        if path.exists() and path.read_text() and text in path.read_text():
            return path.read_text()
        time.sleep(0.02)
    raise AssertionError(f"{path.name} never held {text!r}")


def is_gone(pid: int) -> bool:
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.02)
    return False


def test_a_child_is_heard_to_its_end(tmp_path: Path) -> None:
    code = "import sys; sys.stdout.write(sys.stdin.read()[::-1]); sys.exit('a last word')"
    done = run_to_end(Order(python("-c", code), tmp_path), WAIT_S, "abc é")
    assert (done.code, done.output, done.last_words) == (1, "é cba", "a last word")
    assert Finished(-9, "", " \n").last_words == "-9"


def test_more_than_a_pipe_holds_is_read_and_written(tmp_path: Path) -> None:
    code = "import sys; print('x' * 3_000_000, file=sys.stderr); print(len(sys.stdin.read()))"
    done = run_to_end(Order(python("-c", code), tmp_path), WAIT_S, "y" * 3_000_000)
    assert done.output.strip() == "3000000"
    assert len(done.complaints.strip()) == 3_000_000


def test_one_that_takes_too_long_is_ended_with_its_children(tmp_path: Path) -> None:
    """A grandchild in the same group goes too."""
    note = tmp_path / "pid"
    code = (
        "import subprocess, sys, time, pathlib\n"
        "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"pathlib.Path({str(note)!r}).write_text(str(p.pid)); time.sleep(60)"
    )
    with pytest.raises(TimeoutError, match="3 s"):
        run_to_end(Order(python("-c", code), tmp_path), 3)
    assert is_gone(int(note.read_text()))


def test_a_bound_child_dies_with_whom_it_works_for(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    inner = f"import os, time, pathlib; pathlib.Path({str(note)!r}).write_text(str(os.getpid())); time.sleep(60)"
    outer = (
        f"from core.base.processes import Order, python, run_to_end\nrun_to_end(Order(python('-c', {inner!r})), 60)"
    )
    parent = start_piped(Order(python("-c", outer), tmp_path), tmp_path / "log")
    child = int(wait_for(note))
    os.kill(parent.pid, signal.SIGKILL)
    end_group(parent)
    assert is_gone(child)
    assert parent.stdin is not None
    assert parent.stdout is not None
    parent.stdin.close()
    parent.stdout.close()


def test_a_detached_child_writes_to_files_and_is_known_again(tmp_path: Path) -> None:
    code = "import sys, time; print('out', flush=True); print('err', file=sys.stderr, flush=True); time.sleep(60)"
    (tmp_path / "log").write_text("of the last time")
    identity = start_detached(Order(python("-c", code), tmp_path), tmp_path / "log", tmp_path / "out")
    try:
        assert wait_for(tmp_path / "out", "\n") == "out\n"
        assert wait_for(tmp_path / "log", "\n") == "err\n"
        found = find_process(identity)
        assert found is not None
        assert found.pid == identity["pid"] == os.getpgid(found.pid)
        assert find_process({**identity, "create_time": identity["create_time"] - 100}) is None
        assert find_process({**identity, "boot": "another start of the machine"}) is None
        assert find_process({"pid": "x"}) is None
    finally:
        os.killpg(identity["pid"], signal.SIGKILL)
    assert is_gone(identity["pid"])
    assert find_process(identity) is None


def test_without_an_output_file_everything_is_appended_to_the_log(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("before\n")
    start_detached(Order(python("-c", "print('after')"), tmp_path), tmp_path / "log")
    assert wait_for(tmp_path / "log", "after\n") == "before\nafter\n"


def test_no_secret_reaches_a_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_TOKEN", "WANDB_API_KEY", "AWS_SECRET_ACCESS_KEY", "MY_PASSWORD"):
        monkeypatch.setenv(name, "secret123")
    monkeypatch.setenv("HTTPS_PROXY", "http://user:secret456@proxy")
    code = "import os; print(dict(os.environ))"
    seen = run_to_end(Order(python("-c", code), tmp_path, {"EXTRA": "given"}), WAIT_S).output
    assert "secret123" not in seen
    assert "given" in seen
    assert "secret456" in seen  # a worker may need the proxy to fetch a model
    bare = run_to_end(Order(python("-c", code), tmp_path, is_bare=True), WAIT_S).output
    assert "secret" not in bare


def test_the_folder_of_a_child_is_not_on_its_path(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('a planted module was loaded')")
    assert run_to_end(Order(python("-c", "import json; print(json.dumps(1))"), tmp_path), WAIT_S).output == "1\n"


def test_limits_hold_and_need_nothing_of_the_child(tmp_path: Path) -> None:
    little = Limits(memory_bytes=256 << 20)
    hungry = Order(
        (sys.executable, "-c", "import time; time.sleep(0.3); b'x' * (1 << 30)"), tmp_path, limits=little
    )
    assert run_to_end(hungry, WAIT_S).last_words == "MemoryError"
    busy = Order((sys.executable, "-c", "while True: pass"), tmp_path, limits=Limits(cpu_s=1))
    assert run_to_end(busy, WAIT_S).code == -signal.SIGXCPU
    code = "import resource; print(resource.getrlimit(resource.RLIMIT_AS))"
    asked = Order((sys.executable, "-c", f"import time; time.sleep(0.3); {code}"), tmp_path, limits=little)
    assert run_to_end(asked, WAIT_S).output == f"{(256 << 20, 256 << 20)}\n"  # and so for good


def test_a_process_that_has_ended_has_an_identity_that_fits_nobody() -> None:
    assert find_process(identity_of(2**22 + 1)) is None
