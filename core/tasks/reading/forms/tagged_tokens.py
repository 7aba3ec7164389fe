"""Tokens with a tag each (CoNLL as JSON or parquet): the text, and its names as "label: words"."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from core.base.errors import TaskFileError
from core.tasks.reading.forms.base import Form, filled, mostly, number, rebuilt
from core.tasks.reading.table import ProblemLog, Row, Table

_TOKENS = ("tokens", "words", "token", "sentence_tokens")
_OUTSIDE = "O"
_PREFIXES = frozenset("BIESLU")


class _Layout(NamedTuple):
    tokens: str
    tags: str
    text: str
    names: str


def _find(table: Table) -> _Layout | None:
    tokens = next((c for c in table.columns if c.lower() in _TOKENS), None)
    if tokens is None or not mostly(filled(table, tokens), _is_texts, 1.0):
        return None
    rows = [row for row in table.rows if row.get(tokens)][:50]
    for column in table.columns:
        pairs = [(row[tokens], row.get(column)) for row in rows]
        # As many tags as words in every row: nothing else in a file runs beside its tokens like that.
        if column != tokens and pairs and all(isinstance(t, list) and len(t) == len(words) for words, t in pairs):
            tags = {tag for _, found in pairs for tag in found or ()}
            if tags and all(_is_tag(tag) for tag in tags):
                taken = set(table.columns) - {tokens}
                return _Layout(tokens, column, _free("text", taken), _free("entities", taken))
    return None


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    return name


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _is_tag(tag: Any) -> bool:
    text = str(tag)
    return text == _OUTSIDE or (text[:1] in _PREFIXES and text[1:2] in "-_") or number(tag) is not None


def _unfold(table: Table, layout: _Layout, log: ProblemLog) -> Table:
    """Raises:
    TaskFileError: the tags are numbers, and the file does not say what they stand for.
    """
    tags = [tag for row in table.rows[:200] for tag in row.get(layout.tags) or ()]
    # Numbers of a library's own list; guessing which is a person would label everything wrongly.
    if tags and all(number(tag) is not None for tag in tags):
        raise TaskFileError("form.tag_numbers", file=table.name, column=layout.tags)
    others = [c for c in table.columns if c not in (layout.tokens, layout.tags)]
    rows: list[Row] = []
    for row in table.rows:
        words = [str(word) for word in row.get(layout.tokens) or ()]
        names = names_of(words, [str(tag) for tag in row.get(layout.tags) or ()])
        rows.append({layout.text: join_tokens(words), layout.names: names, **{c: row.get(c) for c in others}})
    log.tell("form.tagged_tokens", tokens=layout.tokens, tags=layout.tags, rows=len(rows))
    return rebuilt(table, [layout.text, *others, layout.names], rows, list(table.lines))


def names_of(words: Sequence[str], tags: Sequence[str]) -> list[str]:
    """ "PER: Ada Lovelace" of B-PER I-PER; a name that begins with I- counts too."""
    found: list[tuple[str, list[str]]] = []
    open_label = ""
    for word, tag in zip(words, tags, strict=False):
        # A label may hold the other mark (B-WORK_OF_ART), so the first of the two alone is not asked for.
        prefix, _, label = tag.partition("-" if "-" in tag else "_")
        if tag == _OUTSIDE or not label:
            open_label = ""
        # I, E and L go on with a name of the same label; after O or another label they begin one (IOB1).
        elif prefix in "IEL" and label == open_label:
            found[-1][1].append(word)
        else:
            found.append((label, [word]))
            open_label = "" if prefix in "SU" else label  # single, unit: a name of one word
        if prefix in "EL":
            open_label = ""
    return [f"{label}: {join_tokens(parts)}" for label, parts in found]


def join_tokens(words: Sequence[str]) -> str:
    """With blanks between, but for scripts that have none."""
    text = ""
    for word in words:
        glued = bool(text) and _has_no_blanks(text[-1]) and _has_no_blanks(word[:1])
        text += word if not text or glued else f" {word}"
    return text


def _has_no_blanks(character: str) -> bool:
    return (
        "\u2e80" <= character <= "\u9fff" or "\uf900" <= character <= "\uffef" or "\u0e00" <= character <= "\u0e7f"
    )


FORM = Form("tagged_tokens", _find, _unfold)
