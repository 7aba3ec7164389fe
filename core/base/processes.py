"""The one door through which other processes are started, and how one of them is told from a stranger later.

Every child is an argument list, never a shell line; runs in a process group of its own; sees a reduced environment
without tokens; and writes to files. A pipe is had only where somebody reads it all the time (`start_piped`).
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol

import psutil

import core
from core.base.gate import current_gate, wait_wanted
from core.base.limits import Limits, bind_to_parent

PIPE = subprocess.PIPE
Process = subprocess.Popen[bytes]

# A child sees these variables and no others: no tokens, no secrets of the app.
_FOR_ALL = (
    "PATH HOME USER LANG LANGUAGE TZ TMPDIR LD_LIBRARY_PATH PYTHONPATH VIRTUAL_ENV "
    "TASKLOOM_HOME TASKLOOM_MODELS TASKLOOM_QUOTA"
)
_FOR_NETWORK = """
SSL_CERT_FILE REQUESTS_CA_BUNDLE HTTP_PROXY HTTPS_PROXY NO_PROXY http_proxy https_proxy no_proxy
HF_HOME HF_HUB_CACHE HF_HUB_OFFLINE HF_ENDPOINT TRANSFORMERS_OFFLINE XDG_CACHE_HOME
"""
_FOR_CARDS = """
CUDA_VISIBLE_DEVICES CUDA_DEVICE_ORDER CUDA_HOME PYTORCH_ALLOC_CONF PYTORCH_CUDA_ALLOC_CONF OMP_NUM_THREADS
MKL_NUM_THREADS HIP_VISIBLE_DEVICES ROCR_VISIBLE_DEVICES HSA_OVERRIDE_GFX_VERSION PYTORCH_HIP_ALLOC_CONF
"""
# Where trackers write to; their keys are not passed (wandb finds its own in ~/.netrc after `wandb login`).
_FOR_TRACKERS = """
TENSORBOARD_LOGGING_DIR TRACKIO_DIR WANDB_MODE WANDB_DIR WANDB_PROJECT WANDB_ENTITY WANDB_BASE_URL
"""
_NEEDED = frozenset(_FOR_ALL.split())
_PASSED = _NEEDED | frozenset(f"{_FOR_NETWORK} {_FOR_CARDS} {_FOR_TRACKERS}".split())
_PASSED_BEGINNINGS = ("LC_", "NVIDIA_", "NCCL_", "RCCL_", "GLOO_")


@dataclass(frozen=True)
class Order:
    """A child to be started: `command` in `folder` (None: where this process works), with `variables` beside those
    of `child_environment` and the open files `descriptors`, such as a run's lock. `is_bare`: nothing of network,
    cards or trackers is passed on, for a child that reads what a stranger sent."""

    command: tuple[str, ...]
    folder: Path | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    descriptors: tuple[int, ...] = ()
    is_bare: bool = False
    limits: Limits | None = None

    @property
    def environment(self) -> dict[str, str]:
        passed = child_environment()
        if self.is_bare:
            passed = {k: v for k, v in passed.items() if k not in _PASSED or k in _NEEDED}
        return {**passed, **self.variables}


@dataclass(frozen=True)
class Finished:
    """How a child ended: exit code (minus the signal that killed it), and what it said."""

    code: int
    output: str
    complaints: str

    @property
    def last_words(self) -> str:
        """The last line of its complaints, which of a Python traceback names the error."""
        lines = [line for line in self.complaints.splitlines() if line.strip()]
        return lines[-1] if lines else str(self.code)


class Running(Protocol):
    """A child that somebody waits for."""

    def look(self, seconds: float) -> int | None:
        """How it ended, waited for so long; None while it is at work."""

    def end(self) -> None:
        """Ends it with all its children and waits for that."""


# How a child of a command is had faster than by starting it; None where that cannot be done for an order.
Starter = Callable[[Order, tuple[IO[bytes], IO[bytes], IO[bytes]]], Running | None]
_READY: dict[tuple[str, ...], Starter] = {}


def _from_nothing(order: Order, files: tuple[IO[bytes], IO[bytes], IO[bytes]]) -> None:
    """No child is ready."""


@contextlib.contextmanager
def offered(command: tuple[str, ...], start: Starter) -> Iterator[None]:
    """While the block runs `run_to_end` asks `start` first for a child of this command (core/base/warm.py)."""
    before = _READY.get(command, _from_nothing)
    _READY[command] = start
    try:
        yield
    finally:
        _READY[command] = before


def python(*words: str) -> tuple[str, ...]:
    """The command of a Python program; -P keeps the folder it runs in off sys.path."""
    return (sys.executable, "-P", *words)


def start_detached(order: Order, log: Path, output: Path | None = None) -> dict[str, Any]:
    """Starts a child that outlives this process -> its identity {pid, create_time, boot, command}.

    What it prints goes to `output`, which is written anew; without one to the log, which is appended to.

    Raises:
        OSError: a file cannot be written or the process cannot be started.
    """
    with contextlib.ExitStack() as files:
        errors = files.enter_context(open(log, "ab" if output is None else "wb"))
        prints = errors if output is None else files.enter_context(open(output, "wb"))
        process = _start(order, subprocess.DEVNULL, prints, errors)
    # Reaps the child when it ends, so that it does not stay as a zombie of this process.
    threading.Thread(target=process.wait, daemon=True, name=f"reaper-{process.pid}").start()
    return {**identity_of(process.pid), "command": list(order.command)}


def start_piped(order: Order, log: Path) -> Process:
    """Starts a child with pipes to its input and output; what it complains about is appended to the log.

    Raises:
        OSError: the log cannot be written or the process cannot be started.
    """
    with open(log, "ab") as errors:
        return _start(order, PIPE, PIPE, errors)


def start_beside(order: Order) -> Process:
    """Starts a child that shares this process's output and group, and dies with it."""
    return subprocess.Popen(
        order.command,
        cwd=order.folder,
        env=order.environment,
        stdin=subprocess.DEVNULL,
        close_fds=True,
        pass_fds=order.descriptors,
        preexec_fn=bind_to_parent,
    )


def run_to_end(order: Order, seconds: float, given: str = "") -> Finished:
    """Runs a child that reads `given` to its end. It dies with this process, and with the wait for it.

    Raises:
        TimeoutError: it took longer than `seconds`; it and its children are ended.
        RunError: nobody wanted it any more (see `gated`), with the same end; or there was no room for it.
        OSError: it cannot be started.
    """
    gate = current_gate()
    with contextlib.ExitStack() as held:
        if gate is not None:
            held.enter_context(gate.room(seconds))
        reads, prints, errors = (held.enter_context(tempfile.TemporaryFile()) for _ in range(3))
        reads.write(given.encode())
        reads.seek(0)
        ready = _READY.get(order.command, _from_nothing)(order, (reads, prints, errors))
        child = ready or _Started(_start(order, reads, prints, errors, is_bound=True))
        try:
            code = child.look(seconds) if gate is None else wait_wanted(child.look, seconds, gate)
        finally:  # also when the wait was broken off
            child.end()
        if code is None:
            raise TimeoutError(f"{seconds:g} s")
        return Finished(code, _text(prints), _text(errors))


def end_group(process: Process, grace_s: float = 0.0) -> None:
    """Waits for a child of this process to leave by itself, then ends it with all its children."""
    try:
        process.wait(grace_s)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def child_environment() -> dict[str, str]:
    """What every child needs to find Python, models and cards, and no token."""
    passed = {
        name: value for name, value in os.environ.items() if name in _PASSED or name.startswith(_PASSED_BEGINNINGS)
    }
    root = str(Path(core.__file__).resolve().parents[1])
    path = passed.get("PYTHONPATH", "")
    passed["PYTHONPATH"] = f"{root}{os.pathsep}{path}" if path else root
    passed["PYTHONUNBUFFERED"] = "1"
    # Threads that wait actively starve each other on a shared machine: measured 3.5 times slower with two threads
    # on two busy cores (assets/docs/decisions.md).
    passed["OMP_WAIT_POLICY"] = os.environ.get("OMP_WAIT_POLICY", "PASSIVE")
    # oneDNN keeps a program for every shape it has multiplied, by default 1,024 of them: over a gigabyte in a long
    # run on a processor with matrix units. With 128 steps take as long (assets/docs/decisions.md).
    programs = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"
    passed[programs] = os.environ.get(programs, "128")
    if os.environ.get("SPACES_ZERO_GPU"):  # the card of a ZeroGPU Space is not for processes of their own
        passed["CUDA_VISIBLE_DEVICES"] = "-1"
    passed["HF_HUB_DISABLE_TELEMETRY"] = "1"
    passed["TOKENIZERS_PARALLELISM"] = "false"
    return passed


def identity_of(pid: int) -> dict[str, Any]:
    """What tells a process from a later one with the same pid: {pid, create_time, boot}."""
    try:
        created = psutil.Process(pid).create_time()
    except psutil.Error:  # ended already; no process will match
        created = 0.0
    return {"pid": pid, "create_time": created, "boot": boot_id()}


def find_process(identity: Mapping[str, Any]) -> psutil.Process | None:
    """The living process that `identity_of` was asked about; None when it is gone or was of another machine."""
    if identity.get("boot", boot_id()) != boot_id():
        return None  # of another machine, or from before a restart of this one
    try:
        process = psutil.Process(int(identity["pid"]))
        same = abs(process.create_time() - float(identity["create_time"])) < 1.0
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except (psutil.Error, KeyError, ValueError, TypeError):
        return None


def boot_id() -> str:
    """Tells this start of the machine from the one before; empty where the system does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _start(order: Order, reads: Any, prints: Any, errors: Any, is_bound: bool = False) -> Process:
    process = subprocess.Popen(
        order.command,
        cwd=order.folder,
        env=order.environment,
        stdin=reads,
        stdout=prints,
        stderr=errors,
        start_new_session=True,
        close_fds=True,
        pass_fds=order.descriptors,
        preexec_fn=bind_to_parent if is_bound else None,
    )
    if order.limits is not None:
        order.limits.lower(process.pid)
    return process


@dataclass(frozen=True)
class _Started:
    """A child that was started from nothing, as a `Running`."""

    process: Process

    def look(self, seconds: float) -> int | None:
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def end(self) -> None:
        end_group(self.process)


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode("utf-8", errors="replace")
