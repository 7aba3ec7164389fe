"""Documents that leave the workbench (model cards, reports, studies): Jinja2 templates under assets/templates."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).resolve().parents[2] / "assets" / "templates"


def render(template: str, /, **values: Any) -> str:
    """The template (a file of TEMPLATES) filled in.

    In *.html every value is escaped. In *.md the caller escapes texts of users (`core.export.markdown.escape`),
    because inside a code block the same characters must stay.

    Raises:
        jinja2.UndefinedError: the template asks for a value that was not given.
    """
    return _environment().get_template(template).render(values)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # only whoever writes a document waits for it

    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=lambda name: name is not None and name.endswith(".html"),
        undefined=StrictUndefined,  # a forgotten value is an error, not a gap in the document
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
