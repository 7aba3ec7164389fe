"""Small pieces of HTML for gr.HTML. Every text that is not ours goes through `esc`; nothing else writes tags."""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote

from core.base.formulas import guard

LOGO = (
    '<svg viewBox="0 0 32 32" aria-hidden="true"><rect width="32" height="32" rx="7" fill="#0f766e"/>'
    '<g stroke-width="3" stroke-linecap="round"><path d="M9 6v20M16 6v20M23 6v20" stroke="#99f6e4"/>'
    '<path d="M6 10h6M20 10h6M13 16h6M6 22h6M20 22h6" stroke="#fbbf24"/></g></svg>'
)


def esc(value: Any) -> str:
    return html.escape(str(value), quote=True)


def brand(name: str) -> str:
    return f'<div class="brand" role="heading" aria-level="1">{LOGO}<span>{esc(name)}</span></div>'


def place_mark(place: str, name: str = "") -> str:
    """What the page's script compares (see `app/frame/address.py`); nothing to be seen."""
    return f'<i data-place="{esc(place)}" data-name="{esc(name)}"></i>'


def lead(text: str) -> str:
    return f'<p class="lead">{esc(text)}</p>'


def note(text: str) -> str:
    return f'<p class="note">{esc(text)}</p>'


def part(text: str) -> str:
    return f'<h3 class="part" aria-level="2">{esc(text)}</h3>'


def paragraphs(sentences: Iterable[str]) -> str:
    return "".join(f'<p class="say">{esc(text)}</p>' for text in sentences)


def fold(title: str, inside: str) -> str:
    """What only some want to see, ready HTML, behind its title."""
    return f'<details class="note"><summary>{esc(title)}</summary>{inside}</details>'


def empty(title: str, text: str) -> str:
    """What a screen shows while it has nothing: what is missing and what to do next."""
    return f'<div class="empty"><b>{esc(title)}</b>{esc(text)}</div>'


def badge(text: str, tone: str = "") -> str:
    return f'<span class="badge {esc(tone)}">{esc(text)}</span>'


def bullets(items: Iterable[tuple[str, ...]]) -> str:
    """A list of (tone, text) or (tone, text, row as it was found); tone is ok, bad, warn or info."""
    shown = (
        f'<li class="{esc(tone)}">{esc(text)}'
        + "".join(f'<code class="raw">{esc(row)}</code>' for row in rows if row)
        for tone, text, *rows in items
    )
    return '<ul class="list">' + "".join(f"{item}</li>" for item in shown) + "</ul>"


def bar(share: float, tone: str = "", label: str = "", known: bool = True) -> str:
    """A progress bar; one whose share nobody knows says no number."""
    percent = max(0.0, min(1.0, share)) * 100
    values = f'aria-valuemin="0" aria-valuemax="100" aria-valuenow="{percent:.0f}" ' if known else ""
    tone = tone if known else f"{tone} moving"
    return (
        f'<span class="bar {esc(tone)}" role="progressbar" {values}aria-label="{esc(label)}">'
        f'<i style="width:{percent:.1f}%"></i></span>'
    )


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """Name and value pairs side by side; pairs without a value are left out."""
    cells = "".join(
        f'<div><span class="k">{esc(k)}</span><span class="v">{esc(v)}</span></div>' for k, v in pairs if v
    )
    return f'<div class="facts">{cells}</div>'


def table(
    headers: Sequence[str], rows: Iterable[Sequence[str]], numeric: Iterable[int] = (), named: bool = False
) -> str:
    """A table whose cells are ready HTML (escape texts with `esc`); `numeric` columns are set right. `named`: each
    cell but the first knows its head, for a narrow page that shows rows as cards."""
    right = set(numeric)
    names = [f' data-head="{esc(text)}"' if named and i else "" for i, text in enumerate(headers)]

    def css(column: int) -> str:
        return ' class="n"' if column in right else ""

    head = "".join(f"<th{css(i)}>{esc(text)}</th>" for i, text in enumerate(headers))
    lines = ("".join(f"<td{css(i)}{names[i]}>{cell}</td>" for i, cell in enumerate(row)) for row in rows)
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    inner = f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
    # a wide table scrolls on a phone; without a place in the order of tabs it could not be scrolled by keys
    return f'<div class="sheet" tabindex="0"><table class="plain">{inner}</table></div>'


def prompt_view(prompt: str, answer: str) -> str:
    """A training example as the model reads it, the learned part marked."""
    return (
        f'<div class="prompt"><div class="read" tabindex="0">{esc(prompt)}</div>'
        f'<div><span class="learned">{esc(answer)}</span></div></div>'
    )


def log_view(text: str) -> str:
    return f'<pre class="log" tabindex="0">{esc(text)}</pre>'


def download_link(file_name: str, text: str, label: str, kind: str = "text/csv") -> str:
    """A file that lives in the page itself: nothing is written on the server."""
    data = f"data:{kind};charset=utf-8," + quote(("\ufeff" if kind == "text/csv" else "") + text)
    return f'<a class="link" download="{esc(file_name)}" href="{data}">{esc(label)}</a>'


def to_csv(headers: Sequence[Any], rows: Iterable[Sequence[Any]]) -> str:
    """CSV for a spreadsheet: a text cell that would run as a formula gets a quote in front."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([_guard(cell) for cell in headers])
    writer.writerows([_guard(cell) for cell in row] for row in rows)
    return out.getvalue()


def _guard(cell: Any) -> Any:
    return guard(cell) if isinstance(cell, str) else cell
