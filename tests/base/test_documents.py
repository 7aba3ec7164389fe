"""Documents from templates: HTML escapes whatever comes, a forgotten value is an error, every template is used."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from jinja2 import UndefinedError

from core.base.documents import TEMPLATES, render
from core.insight.report import WORDS
from tests.test_floors import modules

HOSTILE = "</td><script>alert(1)</script>{{ 7 * 7 }}\" onload='x' &amp;"


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


def report(text: str, **changes: object) -> str:
    """A report in which every value that can be one is `text`."""
    told = [text, text]
    values: dict[str, object] = {
        **dict.fromkeys(("name", "about", "language"), text),
        **dict.fromkeys(("means", "counts", "forgotten"), told),
        "heads": dict.fromkeys(WORDS, text),
        "verdicts": [[text] * 4],
        "scores": [[text] * 7],
        "skills": {
            "told": told,
            "map": {"skills": told, "rows": [(text, [(text, "0.5")])]},
            "shares_told": told,
            "shares": [(text, 40.0)],
        },
        "asked": [{"name": text, "mistakes": told, "rows": [[("wrong", text)] * 4]}],
    }
    return render("report.html", **{**values, **changes})


def test_html_escapes_every_value() -> None:
    plain, hostile = Tags(), Tags()
    plain.feed(report("words"))
    hostile.feed(report(HOSTILE))
    assert hostile.tags == plain.tags
    assert hostile.attributes == plain.attributes
    assert "49" not in report(HOSTILE)  # a text is no template


def test_parts_that_a_run_does_not_have_are_left_out() -> None:
    bare = report("words", scores=[], skills=None, forgotten=[], asked=[])
    assert "<h2>" not in bare
    without = report("words", asked=[{"name": "words", "mistakes": None, "rows": None}])
    assert without.count("<pre>") == 0


def test_markdown_keeps_characters_of_code() -> None:
    words = {"plan": "x < y & z", "means": "", "gaps": "", "scores": "", "reference": "r", "name": "n"}
    assert "x < y & z" in render("study.md", **words)


def test_a_forgotten_value_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="plan"):
        render("study.md", name="n", reference="r", means="", gaps="", scores="")


def test_every_template_is_rendered_somewhere() -> None:
    sources = "\n".join(path.read_text(encoding="utf-8") for path in modules().values())
    asked = set(re.findall(r'render\(\s*"([a-z.]+)"', sources))
    assert asked == {path.name for path in TEMPLATES.iterdir()}
