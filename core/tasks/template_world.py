"""What a chat template can say and do: jinja2's sandbox with the words that base models' templates use."""

from __future__ import annotations

import json
import time
from functools import lru_cache
from typing import Any, NoReturn

# What a template makes Python say, compiling it (loops nested too deeply) or carrying it out.
TEMPLATE_FAULTS = (
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    RecursionError,
    SyntaxError,
    TypeError,
    ValueError,
)


@lru_cache(maxsize=8)
def compile_template(text: str) -> Any:
    """As transformers does, in jinja2's sandbox.

    Raises:
        TemplateError: it is no template. What else it raises is the template's doing: constants are reckoned here.
    """
    return template_world().from_string(text)


@lru_cache(maxsize=1)
def template_world() -> Any:
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
