"""Characters that do not belong to a text, and the text without them.

What is invisible is not always a fault: Persian and Hindi need joiners and half-spaces, emoji are joined, Thai
parts words without blanks, texts from right to left carry direction marks. A text without a finding stays the same.
"""

from __future__ import annotations

import contextlib
import html.entities
import re

MOJIBAKE = re.compile("Ã[\u0080-\u00bf]|â€[\u0080-\u2122œ™˜“”]|ï»¿|锟斤拷|烫烫烫")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_BREAKS = re.compile("[\x0b\x0c\x85]")  # control characters that once ended a line
_HIDDEN = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\u00ad]")
_ENTITY = re.compile(r"&(?:[A-Za-z][A-Za-z0-9]{1,31}|#\d{2,7}|#[xX][0-9A-Fa-f]{2,6});")
_TAGS = re.compile(r"(?:</?(?:p|br|div|span|b|i|a|td|tr|li|ul)\b[^>]{0,80}>)+")
_BLOCK = re.compile(r"</?(?:p|br|div|td|tr|li|ul)\b")
# Letters that a joiner or a half-space may stand beside: Arabic, Syriac, the scripts of India, Thai to Mongolian.
_JOINING = re.compile(
    "[\u0600-\u08ff\u0900-\u0dff\u0e00-\u0eff\u1000-\u109f\u1780-\u18af\ufb50-\ufdff\ufe70-\ufeff]"
)
_PICTURES = re.compile("[\u2190-\u2bff\ufe0f\u20e3\U0001f000-\U0001faff\U000e0020-\U000e007f]")
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]")  # Thai, Lao, Burmese, Khmer
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_CODE = re.compile(  # indented lines, brackets and marks at the end of one, words that begin one
    r"\n(?: {2,}|\t)\S|[{;]\s*$|^\s*(?:def \w+\(|class \w+[:({]|from [\w.]+ import |import [\w.]+$|return\b.*[;()]"
    r"|function\b.*\(|(?:var|let|const) \w+ ?=|#include\b)",
    re.MULTILINE,
)
_DIRECTIONS = frozenset("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

KINDS = ("control", "replacement", "invisible", "private", "mojibake", "html")
UNMENDABLE = frozenset(("replacement", "private"))  # what stood there is lost: for a person to look at


def character_faults(text: str) -> list[str]:
    """The kinds of characters in a text that do not belong there, in the order of KINDS."""
    if text.isascii() and text.isprintable() and "&" not in text and "<" not in text:
        return []
    found = {
        "control": _CONTROL.search(text) is not None,
        "replacement": "\ufffd" in text,
        "invisible": any(not _belongs(text, m.start()) for m in _HIDDEN.finditer(text)),
        "private": any("\ue000" <= c <= "\uf8ff" for c in text),
        "mojibake": MOJIBAKE.search(text) is not None,
        "html": _has_html(text),
    }
    return [kind for kind in KINDS if found[kind]]


def clean_text(text: str) -> str:
    """The text without the faults that can be mended; exactly the same text where there are none.

    Invisible and control characters go, HTML entities and tags become what they stand for, and UTF-8 that was once
    read as Windows-1252 ('cafÃ©') is read again as what it is. Blanks at the ends stay.
    """
    faults = set(character_faults(text)) - UNMENDABLE
    if "html" in faults:
        text = _ENTITY.sub(_named_character, _TAGS.sub(_instead_of_tags, text))
    if "control" in faults:
        text = _CONTROL.sub("", _BREAKS.sub("\n", text))
    if "invisible" in faults:
        text = _HIDDEN.sub(lambda m: m.group() if _belongs(m.string, m.start()) else "", text)
    if "mojibake" in faults:
        with contextlib.suppress(UnicodeError):  # not all of the text was damaged: then it stays as it is
            return text.encode("cp1252").decode("utf-8")
    return text


def _belongs(text: str, place: int) -> bool:
    """Whether the language of the text needs the invisible character at this place."""
    char, before, after = text[place], text[:place][-1:], text[place + 1 : place + 2]
    if char in "\u200c\u200d":  # half-space and joiner
        pictures = char == "\u200d" and bool(_PICTURES.match(before) and _PICTURES.match(after))
        return pictures or bool(_JOINING.match(before) or _JOINING.match(after))
    if char == "\u200b":
        return bool(_UNSPACED.match(before) or _UNSPACED.match(after))
    if char in _DIRECTIONS:
        return _RIGHT_TO_LEFT.search(text) is not None
    return False


def _has_html(text: str) -> bool:
    """Entities by their full name and tags of running text. In code both are what they are."""
    if "&" not in text and "<" not in text:
        return False
    if not (_TAGS.search(text) or any(_stands_for(m.group()) for m in _ENTITY.finditer(text))):
        return False
    return _CODE.search(_ENTITY.sub("", text)) is None


def _named_character(match: re.Match[str]) -> str:
    return _stands_for(match.group()) or match.group()


def _stands_for(entity: str) -> str:
    """'&amp;' -> '&', '&#233;' -> 'é'; '' for what is no entity. '&copy=2' of an address has no end mark."""
    name = entity[1:-1]
    if not name.startswith("#"):
        return html.entities.html5.get(f"{name};", "").replace("\u00a0", " ")
    number = int(name[2:], 16) if name[1:2] in "xX" else int(name[1:])
    usable = 31 < number < 0x110000 and not 0x7F <= number <= 0x9F and not 0xD800 <= number <= 0xDFFF
    return chr(number).replace("\u00a0", " ") if usable else ""


def _instead_of_tags(match: re.Match[str]) -> str:
    """Tags that end a block part words; those inside a line part none."""
    before, after = match.string[: match.start()][-1:], match.string[match.end() :][:1]
    parts = _BLOCK.search(match.group()) and before.strip() and after.strip()
    return " " if parts else ""
