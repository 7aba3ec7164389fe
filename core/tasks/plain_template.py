"""Which chat templates cost no more than what they read, so that a stranger's may run in any process."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from core.tasks.template_world import template_world

MAX_PLAIN = 8_000  # characters of a template that is looked through here
MAX_MENTIONS = 200  # of values in it, each of which may be the longest text of a row
_HARMLESS_FILTERS = frozenset({"trim", "length", "count", "upper", "lower", "first", "last", "string", "tojson"})
_HARMLESS_METHODS = frozenset({"strip", "lstrip", "rstrip", "startswith", "endswith", "upper", "lower"})
_LOOP_NUMBERS = frozenset({"index", "index0", "revindex", "revindex0", "length"})


@lru_cache(maxsize=16)
def is_plain(text: str) -> bool:
    """Whether no text makes it cost more than in proportion to itself. It is parsed, not compiled: the compiler
    reckons `'a' * 10 ** 10` at once."""
    from jinja2.exceptions import TemplateError

    if len(text) > MAX_PLAIN:
        return False
    try:
        tree = template_world().parse(text)
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

        left, right = node.left, node.right
        counted = isinstance(left, nodes.Getattr) and getattr(left.node, "name", "") == "loop"
        return counted and left.attr in _LOOP_NUMBERS and isinstance(right, nodes.Const)


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
