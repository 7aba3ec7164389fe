"""How answers are made comparable before they are scored. The rules are part of the metrics' definition:

- plain:   Unicode NFKC, case folded, white space collapsed, invisible marks of layout, quotes and a final full stop
           of any script taken off. What would lose everything by that (".", "''") stays as it is.
- words:   runs of letters with their marks and digits (Unicode), a number whole with sign, decimal mark and slash;
           one character with its marks in scripts that put no spaces between words (Han, kana, Thai, Lao, Khmer,
           Burmese); one token a sign or emoji; punctuation dropped. English articles before a word dropped (SQuAD,
           1606.05250): "grade A" keeps its A.
- letters: plain without white space and punctuation, one token a character with its marks.
- items:   a list answer split at ; ； | and line ends, each item plain; "none", "无" say that there is no item.

Nothing is ever empty but the empty text: an answer of signs alone is compared by its signs, and an answer that says
nothing is one (wrong) item, not an empty list. Empty against empty agrees; the workbench has no such rows.
"""

from __future__ import annotations

import unicodedata

import regex

_SPACE = regex.compile(r"[\s\x1c-\x1f]+")  # the separators of old terminals are white space to str.strip alone
_ITEMS = regex.compile(r"[;；|\n]")
_LABELS = regex.compile(r"[;；|\n,，、]")
_ARTICLES = frozenset({"a", "an", "the"})
_NO_ITEM = frozenset({"none", "无", "無", "null", "n/a"})
# Soft hyphen, zero width space, direction marks, byte order mark, emoji presentation: seen by nobody.
_INVISIBLE = regex.compile(r"[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff\ufe0e\ufe0f]")
# Line_Break=SA is Unicode's property of the South East Asian scripts without spaces. Thai and Lao write some vowels
# as letters before and after their consonant; they make one character to a reader.
_SPACELESS = (
    r"(?:[\u0e40-\u0e44\u0ec0-\u0ec4]?(?!\p{M})[\p{Han}\p{Hiragana}\p{Katakana}\u30fc\p{Line_Break=SA}]"
    r"(?:[\u17d2\u1039]\p{L}|\p{M})*[\u0e30\u0e32\u0e45\u0eb0\u0eb2]?\p{M}*)"
)
_LETTER = r"[\p{L}\p{N}\p{M}]"
_NUMBER = rf"(?:(?<!{_LETTER})[-+]?\p{{Nd}}+(?:[.,:/\u066b\u066c]\p{{Nd}}+)+|(?<!{_LETTER})[-+]\p{{Nd}}+)"
_RUN = rf"(?:(?!{_SPACELESS}){_LETTER}[\u200c\u200d]?)+"
_SIGN = r"(?=[\p{So}\p{Sc}\p{Sm}])(?!\|)\X"
_WORD = regex.compile(rf"{_NUMBER}|{_SPACELESS}|{_RUN}|{_SIGN}")
_SPELLED = regex.compile(
    rf"(?<!{_LETTER})[-+](?=\p{{Nd}})|(?<=\p{{Nd}})[.,:/](?=\p{{Nd}})|{_SPACELESS}|(?=[\p{{L}}\p{{N}}\p{{S}}])(?!\|)\X"
)
_CHARACTER = regex.compile(r"\X")
_QUOTES = " \"'“”‘’„«»「」『』`"
_STOPS = ".。।۔։።။។ "
_MINUS = str.maketrans({"\u2212": "-", "\u2010": "-", "\u2011": "-"})


def plain(text: str) -> str:
    """The text as metrics compare it; what is plain stays as it is."""
    seen = _INVISIBLE.sub("", text)  # first: a mark joins its letter across what nobody sees
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", seen).casefold())
    folded = _SPACE.sub(" ", _INVISIBLE.sub("", folded)).strip()
    return _bare(folded) or folded


def _bare(text: str) -> str:
    """Without quotes around it and full stops at its end, however they are nested."""
    while (less := text.rstrip(_STOPS).strip(_QUOTES)) != text:
        text = less
    return text


def words(text: str) -> list[str]:
    found = tokens(text)
    return [word for word, after in zip(found, [*found[1:], ""], strict=False) if not _is_article(word, after)]


def tokens(text: str) -> list[str]:
    """`words` with the articles: the tokens of ROUGE."""
    return _pieces(_WORD, text)


def letters(text: str) -> list[str]:
    return _pieces(_SPELLED, text)


def _pieces(kind: regex.Pattern[str], text: str) -> list[str]:
    """Signs alone (no word or letter among them) are compared character by character."""
    spelled = plain(text).translate(_MINUS)
    return kind.findall(spelled) or _CHARACTER.findall(spelled.replace(" ", ""))


def items(text: str) -> list[str]:
    return _listed(_ITEMS.split(text))


def label_items(text: str) -> list[str]:
    """As `items`, commas separate as well: labels hold none, mentions may."""
    return _listed(_LABELS.split(text))


def pairs(text: str) -> list[str]:
    """Items of the form "slot: value" or "slot=value" in one spelling; an item without a sign stays whole."""
    found = []
    for item in items(text):
        name, sign, value = _split_pair(item)
        found.append(f"{plain(name)}={plain(value)}" if sign else item)
    return found


def is_spaceless(text: str) -> bool:
    """Whether more than half of a text's words are characters of a script without spaces."""
    found = tokens(text)
    return 2 * sum(regex.fullmatch(_SPACELESS, word) is not None for word in found) > len(found)


def _is_article(word: str, after: str) -> bool:
    return word in _ARTICLES and after[:1].isalnum()


def _listed(parts: list[str]) -> list[str]:
    """The items; [""] for an answer that neither lists anything nor says that there is nothing."""
    said = [item for item in map(plain, parts) if item]
    return [item for item in said if item not in _NO_ITEM] if said else [""]


def _split_pair(item: str) -> tuple[str, str, str]:
    places = [place for sign in ":=：" if (place := item.find(sign)) > 0]
    if not places:
        return item, "", ""
    cut = min(places)
    return item[:cut], item[cut], item[cut + 1 :]
