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
from functools import lru_cache
from pathlib import Path
from typing import Any, NoReturn

from core.base.errors import ModelError
from core.base.processes import Limits, Order, Process, end_group, python, start_piped

MAX_TEMPLATE = 200_000  # characters; the longest of known models has 20,000
SECONDS = 10  # of processor time for one conversation; a usual template takes a thousandth
PATIENCE_S = 120.0  # by the clock, on a busy machine
MEMORY_MB = 1024
MAX_PLAIN = 8_000  # characters of a template that is looked through here
MAX_MENTIONS = 200  # of values in it, each of which may be the longest text of a row
_HARMLESS_FILTERS = frozenset({"trim", "length", "count", "upper", "lower", "first", "last", "string", "tojson"})
_HARMLESS_METHODS = frozenset({"strip", "lstrip", "rstrip", "startswith", "endswith", "upper", "lower"})


def write_turns(tokenizer: Any, messages: Sequence[dict[str, str]], options: dict[str, Any]) -> str:
    """The messages as the model's own template writes them.

    Raises:
        TemplateError: the template refuses these messages.
        ModelError: it does not end, takes too much, or cannot be carried out.
    """
    template = template_of(tokenizer)
    if is_plain(template):
        return str(tokenizer.apply_chat_template(list(messages), tokenize=False, **options))
    named = getattr(tokenizer, "named", None)
    tokens = {k: str(v) for k, v in (tokenizer.special_tokens_map if named is None else named).items()}
    values = {"messages": list(messages), "tools": None, "documents": None, **tokens, **options}
    return _RENDERER.write(template, values)


def template_of(tokenizer: Any) -> str:
    """Of several named templates the one called default."""
    found = tokenizer.chat_template
    return str(found.get("default", "")) if isinstance(found, dict) else str(found)


@lru_cache(maxsize=8)
def compile_template(text: str) -> Any:
    """As transformers does, in jinja2's sandbox.

    Raises:
        TemplateError: it is no template. What else it raises is the template's doing: constants are reckoned here.
    """
    return _world().from_string(text)


@lru_cache(maxsize=1)
def _world() -> Any:
    from jinja2 import nodes
    from jinja2.exceptions import TemplateError
    from jinja2.ext import Extension
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        """Marks what the model says; here it is text as any other."""

        tags = {"generation"}

        def parse(self, parser: Any) -> Any:
            line = next(parser.stream).lineno
            body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
            return nodes.If(nodes.Const(True), body, [], []).set_lineno(line)

    def refuse(message: str) -> NoReturn:
        raise TemplateError(message)

    world = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, "jinja2.ext.loopcontrols"]
    )
    world.filters["tojson"] = lambda value, ensure_ascii=False, **how: json.dumps(
        value, ensure_ascii=ensure_ascii, **how
    )
    world.globals["raise_exception"] = refuse
    world.globals["strftime_now"] = lambda form: time.strftime(form)
    return world


@lru_cache(maxsize=16)
def is_plain(text: str) -> bool:
    """Whether no text makes it cost more than in proportion to itself. It is parsed, not compiled: the compiler
    reckons `'a' * 10 ** 10` at once."""
    from jinja2.exceptions import TemplateError

    if len(text) > MAX_PLAIN:
        return False
    try:
        tree = _world().parse(text)
    except (TemplateError, RecursionError):
        return False
    return _Plain().allows(tree)


class _Plain:
    """Looks through a template for anything that is not known to be harmless."""

    def __init__(self) -> None:
        self._mentions = 0
        self._in_loop = False

    def allows(self, node: Any) -> bool:
        from jinja2 import nodes

        kind = type(node)
        if kind in (nodes.Name, nodes.Getattr, nodes.Getitem):
            self._mentions += 1
            if self._mentions > MAX_MENTIONS:
                return False
        special = {
            nodes.For: self._loop, nodes.Assign: self._assigned, nodes.Call: self._call, nodes.Filter: self._filter,
            nodes.Mod: self._rest,
        }.get(kind)  # fmt: skip
        if special is not None:
            return special(node)
        if kind.__name__ not in _HARMLESS_NODES:
            return False
        return all(self.allows(child) for child in node.iter_child_nodes())

    def _loop(self, node: Any) -> bool:
        """One pass over the messages, or over some of them."""
        if self._in_loop or node.recursive or not _is_messages(node.iter) or not _is_free_name(node.target):
            return False
        self._in_loop = True
        parts = [*node.body, *node.else_, *([node.test] if node.test else [])]
        allowed = all(self.allows(part) for part in parts)
        self._in_loop = False
        return allowed

    def _assigned(self, node: Any) -> bool:
        """Another name for something; a text that grew under its name could grow again."""
        from jinja2 import nodes

        grown = node.find((nodes.Add, nodes.Concat, nodes.Mod, nodes.Filter, nodes.Call))
        if getattr(node.target, "name", "") == "messages":
            return _is_messages(node.node) and isinstance(node.target, nodes.Name)
        return _is_free_name(node.target) and grown is None and self.allows(node.node)

    def _call(self, node: Any) -> bool:
        from jinja2 import nodes

        given = [*node.args, *(pair.value for pair in node.kwargs)]
        if node.dyn_args or node.dyn_kwargs or not all(self.allows(value) for value in given):
            return False
        if isinstance(node.node, nodes.Name):
            return bool(node.node.name == "raise_exception")
        named = isinstance(node.node, nodes.Getattr) and node.node.attr in _HARMLESS_METHODS
        constant = all(isinstance(value, nodes.Const) for value in given)  # stripping is a product of both lengths
        return named and constant and self.allows(node.node.node)

    def _filter(self, node: Any) -> bool:
        bare = not (node.args or node.kwargs or node.dyn_args or node.dyn_kwargs) and node.node is not None
        return bare and node.name in _HARMLESS_FILTERS and self.allows(node.node)

    def _rest(self, node: Any) -> bool:
        """Of the loop's number; of a text it would be a format, of any width."""
        from jinja2 import nodes

        return isinstance(node.left, nodes.Getattr) and getattr(node.left.node, "name", "") == "loop"


# Of jinja2's nodes those that cost what they read. Not among them: Mul, Pow, macros, blocks.
_HARMLESS_NODES = frozenset({
    "Template", "Output", "TemplateData", "If", "Name", "Const", "Getattr", "Getitem", "Slice", "Compare",
    "Operand", "And", "Or", "Not", "Add", "Concat", "Sub", "Neg", "CondExpr", "Test", "List", "Tuple",
})  # fmt: skip


def _is_messages(node: Any) -> bool:
    from jinja2 import nodes

    if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Slice):
        node = node.node
    return isinstance(node, nodes.Name) and node.name == "messages"


def _is_free_name(node: Any) -> bool:
    """A name that means nothing else where costs are reckoned by it."""
    return getattr(node, "name", "") not in ("", "loop", "messages", "raise_exception")


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
            end_group(child)
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
