"""A base model's chat template, written by whoever made the model: a program that must end and stay small.

jinja2's sandbox keeps a template from reaching out, not from going on for ever or filling the memory: loops in
loops, macros that call themselves, a text doubled forty times, `'%999999999d' % 1`. So templates whose cost is
bounded by what they read (one pass over the messages, nothing that grows by itself) run here, and every other one
in a child process with limits of processor time and memory (`template_child`), started once and asked again.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import select
import signal
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.base.errors import ModelError
from core.base.limits import Limits
from core.base.processes import Order, Process, end_group, python, start_piped
from core.tasks.plain_template import is_plain
from core.tasks.template_world import TEMPLATE_FAULTS

MAX_TEMPLATE = 200_000  # characters; the longest of known models has 20,000
SECONDS = 10  # of processor time for one conversation; a usual template takes a thousandth
PATIENCE_S = 120.0  # by the clock, on a busy machine
MEMORY_MB = 1024
LEAVING_S = 1.0


def write_turns(tokenizer: Any, messages: Sequence[dict[str, str]], options: dict[str, Any]) -> str:
    """The messages as the model's own template writes them.

    Raises:
        TemplateError: the template refuses these messages.
        ModelError: it does not end, takes too much, or cannot be carried out.
    """
    template = template_of(tokenizer)
    if is_plain(template):
        try:
            return str(tokenizer.apply_chat_template(list(messages), tokenize=False, **options))
        except TEMPLATE_FAULTS as error:
            raise ModelError("model.template_fails", detail=f"{type(error).__name__}: {error}"[:300]) from error
    named = getattr(tokenizer, "named", None)
    tokens = {k: str(v) for k, v in (tokenizer.special_tokens_map if named is None else named).items()}
    values = {"messages": list(messages), "tools": None, "documents": None, **tokens, **options}
    return _RENDERER.write(template, values)


def template_of(tokenizer: Any) -> str:
    """Of several named templates the one called default."""
    found = tokenizer.chat_template
    return str(found.get("default", "")) if isinstance(found, dict) else str(found)


class _Renderer:
    """The child process that runs what is not plain; a template that once took too much is not tried again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: Process | None = None
        self._owner = 0
        self._given_up: set[str] = set()

    def write(self, template: str, values: dict[str, Any]) -> str:
        """As `write_turns`."""
        from jinja2.exceptions import TemplateError

        if len(template) > MAX_TEMPLATE:
            raise ModelError("model.template_too_large", bound=MAX_TEMPLATE)
        with self._lock:
            if template in self._given_up:
                raise _too_costly()
            answer = self._ask({"template": template, "values": values, "seconds": SECONDS})
            if answer is None or "too_much" in answer:
                self._given_up.add(template)
                raise _too_costly()
        if "refused" in answer:
            raise TemplateError(str(answer["refused"]))
        if "failed" in answer:
            raise ModelError("model.template_fails", detail=str(answer["failed"]))
        return str(answer["text"])

    def _ask(self, question: dict[str, Any]) -> dict[str, Any] | None:
        """None: the child was ended by its limits, or there was no answer in time."""
        child = self._started()
        try:
            assert child.stdin is not None
            child.stdin.write(json.dumps(question).encode() + b"\n")
            child.stdin.flush()
            line = _read_line(child, PATIENCE_S)
        except BrokenPipeError:
            line = b""
        if line:
            found: dict[str, Any] = json.loads(line)
            return found
        self.close()
        if child.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
            return None
        return {"failed": f"exit {child.returncode}"}

    def close(self) -> None:
        """Ends the child of this process."""
        child, self._child = self._child, None
        if child is not None and self._owner == os.getpid():
            end_group(child, LEAVING_S)  # so that its own word on its end counts, where it has one
            for pipe in (child.stdin, child.stdout):
                with contextlib.suppress(OSError):  # what was written last finds nobody
                    if pipe is not None:
                        pipe.close()

    def _started(self) -> Process:
        """Of this very process: one that was forked has a child of its own."""
        if self._child is None or self._owner != os.getpid() or self._child.poll() is not None:
            self.close()
            limits = Limits(memory_bytes=MEMORY_MB << 20, written_bytes=0, open_files=32)
            order = Order(python("-m", "core.tasks.template_child"), is_bare=True, limits=limits)
            self._child, self._owner = start_piped(order, Path(os.devnull)), os.getpid()
        return self._child


def _read_line(child: Process, seconds: float) -> bytes:
    """What the child answers; nothing when it ended or took too long."""
    assert child.stdout is not None
    end, found = time.monotonic() + seconds, b""
    while (left := end - time.monotonic()) > 0:
        if select.select([child.stdout], [], [], left)[0]:
            piece = os.read(child.stdout.fileno(), 1 << 16)
            found += piece
            if not piece:
                return b""
            if piece.endswith(b"\n"):
                return found
    return b""


def _too_costly() -> ModelError:
    return ModelError("model.template_endless", seconds=SECONDS, memory=MEMORY_MB)


_RENDERER = _Renderer()
atexit.register(_RENDERER.close)
