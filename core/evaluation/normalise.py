"""How answers are made comparable before they are scored. The rules are part of the metrics' definition:

- plain:   Unicode NFKC, case folded, white space collapsed, quotes and a final full stop taken off.
- words:   plain, punctuation to spaces, English articles dropped (SQuAD, 1606.05250); a CJK character is a word.
- letters: plain without white space and punctuation, one token a character.
- items:   a list answer split at ; ； | and line ends, each item plain; "none", "无" and "" are no item.
"""

from __future__ import annotations

import re
import unicodedata

_SPACE = re.compile(r"\s+")
_ITEMS = re.compile(r"[;；|\n]")
_LABELS = re.compile(r"[;；|\n,，、]")
_ARTICLES = frozenset({"a", "an", "the"})
_NOTHING = frozenset({"", "none", "无", "無", "null", "n/a"})
_CJK = re.compile(r"([\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uac00-\ud7af])")
_NUMBER = re.compile(r"[-+−]?\s*[$€£¥]?\s*\d[\d,]*(?:\.\d+)?|[-+−]?\s*[$€£¥]?\s*\.\d+")
_QUOTES = " \"'“”‘’「」『』`"
_STOPS = ".。 "


def plain(text: str) -> str:
    folded = _SPACE.sub(" ", unicodedata.normalize("NFKC", text)).strip().casefold()
    return folded.rstrip(_STOPS).strip(_QUOTES).rstrip(_STOPS)


def words(text: str) -> list[str]:
    spaced = _CJK.sub(r" \1 ", "".join(" " if _is_punctuation(c) else c for c in plain(text)))
    return [word for word in spaced.split() if word not in _ARTICLES]


def rouge_words(text: str) -> list[str]:
    """Tokens of ROUGE: lower-case runs of letters and digits (Lin 2004), one token a CJK character."""
    return re.findall(r"[a-z0-9]+|[^\W\d_]|\d", _CJK.sub(r" \1 ", unicodedata.normalize("NFKC", text).lower()))


def letters(text: str) -> list[str]:
    return [c for c in plain(text) if not c.isspace() and not _is_punctuation(c)]


def items(text: str) -> list[str]:
    return [item for item in map(plain, _ITEMS.split(text)) if item not in _NOTHING]


def label_items(text: str) -> list[str]:
    """As `items`, commas separate as well: labels hold none, mentions may."""
    return [item for item in map(plain, _LABELS.split(text)) if item not in _NOTHING]


def pairs(text: str) -> list[str]:
    """Items of the form "slot: value" or "slot=value" in one spelling; an item without a sign stays whole."""
    found = []
    for item in items(text):
        name, sign, value = _split_pair(item)
        found.append(f"{plain(name)}={plain(value)}" if sign else item)
    return found


def last_number(text: str) -> float | None:
    """The last number of a text; thousands separators, currency signs, a percent sign and accountants' brackets for
    negative numbers are understood. None when there is none."""
    cleaned = unicodedata.normalize("NFKC", text)
    found = list(_NUMBER.finditer(cleaned))
    if not found:
        return None
    match = found[-1]
    digits = re.sub(r"[^\d.]", "", match.group())
    before, after = cleaned[: match.start()].rstrip("$€£¥ "), cleaned[match.end() :].lstrip(" %")
    bracketed = before.endswith("(") and after.startswith(")")
    negative = match.group().lstrip()[:1] in ("-", "−") or bracketed
    return -float(digits) if negative else float(digits)


def _split_pair(item: str) -> tuple[str, str, str]:
    places = [place for sign in ":=：" if (place := item.find(sign)) > 0]
    if not places:
        return item, "", ""
    cut = min(places)
    return item[:cut], item[cut], item[cut + 1 :]


def _is_punctuation(character: str) -> bool:
    return unicodedata.category(character)[0] in "PS"
