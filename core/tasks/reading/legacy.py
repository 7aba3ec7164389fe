"""Which encoding a text is in that is not Unicode: every candidate is read, and what it says is weighed.

Each byte beyond ASCII costs the logarithm of how rare its character is in the likeliest language of that encoding,
more where it stands as no writer would put it: a capital inside a word, letters of two scripts in one word, a sign
between letters. Words that the language really has speak for it. The sums are natural logarithms of odds.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from core.tasks.reading.alphabets import ALPHABETS
from core.tasks.reading.scripts import EAST_ASIAN

NEAR_ENCODING = 4.0  # odds within which it is asked; found on sentences of 60 languages, see the benchmark
CONTEXT_BYTES, WORD_BYTES = 1 << 16, 1 << 13
_KEPT = 14  # candidates whose words are looked at
_MOST_EVIDENCE, _LIBRARY = 20.0, 12.0  # found on sentences of 60 languages, see the benchmark
_WESTERN = "en fr de es pt it ca gl eu da sv nb fi nl is ga et sq"
_CENTRAL = "pl cs sk hu ro hr sl sq de en"
_CYRILLIC = "ru uk bg be sr mk en"
_TURKIC = "tr az de fr en"
_BALTIC = "lt lv et pl de fi en"

# name: (what people call it, languages, how much rarer than the commonest, in the same logarithms)
ENCODINGS: dict[str, tuple[str, str, float]] = {
    "cp1252": ("Western European (Windows-1252)", _WESTERN, 0.0),
    "cp1250": ("Central European (Windows-1250)", _CENTRAL, 1.0),
    "cp1251": ("Cyrillic (Windows-1251)", _CYRILLIC, 1.0),
    "cp1253": ("Greek (Windows-1253)", "el en", 1.0),
    "cp1254": ("Turkish (Windows-1254)", _TURKIC, 1.0),
    "cp1255": ("Hebrew (Windows-1255)", "he en", 1.0),
    "cp1256": ("Arabic (Windows-1256)", "ar fa ur fr en", 1.0),
    "cp1257": ("Baltic (Windows-1257)", _BALTIC, 1.0),
    "cp874": ("Thai (Windows-874)", "th en", 1.0),
    "cp1258": ("Vietnamese (Windows-1258)", "vi fr en", 3.0),
    "koi8-r": ("Russian (KOI8-R)", "ru bg en", 1.5),
    "koi8-u": ("Ukrainian (KOI8-U)", "uk ru be en", 2.0),
    "latin-1": ("Western European (Latin-1)", _WESTERN, 3.0),
    "iso8859-15": ("Western European (Latin-9)", _WESTERN, 2.5),
    "iso8859-2": ("Central European (Latin-2)", _CENTRAL, 2.5),
    "iso8859-5": ("Cyrillic (ISO-8859-5)", _CYRILLIC, 3.5),
    "iso8859-7": ("Greek (ISO-8859-7)", "el en", 2.5),
    "iso8859-8": ("Hebrew (ISO-8859-8)", "he en", 3.0),
    "iso8859-6": ("Arabic (ISO-8859-6)", "ar en", 3.0),
    "iso8859-9": ("Turkish (Latin-5)", _TURKIC, 3.0),
    "iso8859-13": ("Baltic (Latin-7)", _BALTIC, 3.0),
    "iso8859-16": ("Romanian (Latin-10)", "ro hu pl en", 6.0),
    "iso8859-4": ("Baltic (Latin-4)", _BALTIC, 9.0),
    "mac_roman": ("Western European (Mac Roman)", _WESTERN, 3.0),
    "mac_latin2": ("Central European (Mac)", _CENTRAL, 6.0),
    "mac_cyrillic": ("Cyrillic (Mac)", _CYRILLIC, 3.5),
    "mac_greek": ("Greek (Mac)", "el en", 7.0),
    "mac_turkish": ("Turkish (Mac)", _TURKIC, 7.0),
    "cp850": ("Western European (DOS 850)", _WESTERN, 4.0),
    "cp437": ("Western European (DOS 437)", _WESTERN, 5.0),
    "cp852": ("Central European (DOS 852)", _CENTRAL, 4.0),
    "cp866": ("Russian (DOS 866)", "ru uk be bg en", 3.0),
    "cp857": ("Turkish (DOS 857)", _TURKIC, 5.0),
    "cp737": ("Greek (DOS 737)", "el en", 5.0),
    "cp775": ("Baltic (DOS 775)", _BALTIC, 6.0),
    "cp862": ("Hebrew (DOS 862)", "he en", 5.0),
    "gb18030": ("Simplified Chinese (GB18030)", "zh-simplified", 1.0),
    "big5hkscs": ("Traditional Chinese (Big5)", "zh-traditional", 1.0),
    "shift_jis": ("Japanese (Shift JIS)", "ja", 1.0),
    "cp932": ("Japanese (Windows-932)", "ja", 1.5),
    "euc_jp": ("Japanese (EUC-JP)", "ja", 1.5),
    "cp949": ("Korean (Windows-949)", "ko", 1.0),
}
_FOR_CHARDET = {"euc_jp": "euc_jis_2004", "latin-1": "iso8859-1", "shift_jis": "shift_jis_2004"}
_FROM_CHARDET = {
    **{theirs: ours for ours, theirs in _FOR_CHARDET.items()},
    **{name.replace("_", "-"): name for name in ENCODINGS if name.startswith("mac_")},
}
_WIDE = frozenset(("gb18030", "big5hkscs", "shift_jis", "cp932", "euc_jp", "cp949"))

_UNKNOWN_LETTER, _UNDEFINED = 7.0, 12.0
_MIXED_SCRIPTS, _INNER_SIGN, _INNER_CAPITAL = 6.0, 5.0, 4.0
_LONE_LETTER, _NEXT_TO_DIGIT = 2.5, 2.0
_RARE_SIGN, _NEXT_TO_SIGN, _TOUCHING = 5.5, 2.5, 1.5
_WORD = 2.0
_SIGNS = {**dict.fromkeys("’‘“”–—…«»°€£\xa0", 1.0), **dict.fromkeys("•·§²³½©®™±µ×¿¡„‚‹›¢¥ªº¼¾№￥", 2.0)}
_OPENING, _CLOSING, _MONEY = frozenset("“„«‘‚‹¿¡"), frozenset("”»›…™®²³°ªº"), frozenset("€£¥¢")
_IN_WORDS = frozenset("’·\xad‑־‌")
_LETTERS = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True)
class EncodingGuess:
    """`score`: logarithm of odds, 0 at best; `language` is the likeliest, as in `alphabets`."""

    encoding: str
    language: str
    score: float


def rank_encodings(sample: bytes) -> list[EncodingGuess]:
    """Candidates for bytes that are not Unicode, the likeliest first; of those that read the sample alike only the
    commonest. `sample` holds the lines with bytes beyond ASCII."""
    sample = sample[:CONTEXT_BYTES]
    contexts = _byte_contexts(sample)
    judged = {name: _judge(name, sample, contexts) for name in ENCODINGS}
    kept = sorted(judged, key=lambda name: -max(judged[name].values()))[:_KEPT]
    evidence = sum(contexts.values())
    scale, trust = min(1.0, _MOST_EVIDENCE / max(1.0, evidence)), _LIBRARY * min(1.0, (evidence + 1) / 4)
    shares = _library_shares(sample)
    floor = min(max(scores.values()) for scores in judged.values())
    ranked = []
    for name in {*kept, *(shares.keys() & ENCODINGS.keys())}:
        language, score = _with_words(name, judged[name], sample) if name in kept else ("", floor)
        told = trust * math.log(shares.get(name, 0.0) + 0.01)
        ranked.append(EncodingGuess(name, language, scale * score + told - ENCODINGS[name][2]))
    ranked.sort(key=lambda guess: (-guess.score, guess.encoding))
    alike: dict[str, list[EncodingGuess]] = {}
    for guess in ranked:
        alike.setdefault(sample.decode(guess.encoding, "replace"), []).append(guess)
    return [
        EncodingGuess(
            min(group, key=lambda g: ENCODINGS[g.encoding][2]).encoding, group[0].language, group[0].score
        )
        for group in alike.values()
    ]


def _library_shares(sample: bytes) -> dict[str, float]:
    """How sure chardet is of each encoding, 0 to 1; it knows letter pairs of many languages."""
    import chardet  # here: most files never need it

    names = [_FOR_CHARDET.get(name, name) for name in ENCODINGS]
    found = chardet.detect_all(sample, ignore_threshold=True, compat_names=False, include_encodings=names)
    return {_FROM_CHARDET.get(str(one["encoding"]), str(one["encoding"])): one["confidence"] for one in found[::-1]}


def _byte_contexts(sample: bytes) -> dict[tuple[int, int, int], float]:
    """(byte before, byte beyond ASCII, byte after) with their weights; a space stands for the ends."""
    padded = b" " + sample + b" "
    found = Counter((padded[i - 1], padded[i], padded[i + 1]) for i in range(1, len(padded) - 1) if padded[i] > 127)
    return _weighted(found)


def _weighted(counts: Counter[Any]) -> dict[Any, float]:
    """The hundredth row that says the same proves little: the root of each count."""
    return {item: math.sqrt(count) for item, count in counts.items()}


LetterScores = dict[str, float]


def _judge(name: str, sample: bytes, contexts: dict[tuple[int, int, int], float]) -> LetterScores:
    """The score of each language of an encoding, without a look at words."""
    _, languages, _ = ENCODINGS[name]
    if name in _WIDE:
        text = " " + sample.decode(name, "replace") + " "
        placed = list(
            _weighted(Counter(t for t in zip(text, text[1:], text[2:], strict=False) if t[1] > "\x7f")).items()
        )
    else:
        table = _byte_table(name)
        # One byte is one character here, so contexts counted once serve every encoding.
        placed = [((table[b], table[c], table[a]), weight) for (b, c, a), weight in contexts.items()]
    base, letters = 0.0, dict[str, float]()
    for triple, weight in placed:
        cost, letter = _place_cost(*triple)
        base -= cost * weight
        if letter:
            letters[letter] = letters.get(letter, 0.0) + weight
    return {code: base + _letters_score(letters, code) for code in languages.split()}


def _with_words(name: str, scores: LetterScores, sample: bytes) -> tuple[str, float]:
    """The likeliest language and its score, words counted."""
    words = Counter(word.lower() for word in _LETTERS.findall(sample[:WORD_BYTES].decode(name, "replace")))
    known = {code: ALPHABETS[code].words if code in ALPHABETS else frozenset() for code in scores}
    whole = {code: scores[code] + _WORD * sum(math.sqrt(words[word]) for word in known[code]) for code in scores}
    best = max(whole, key=lambda code: whole[code])
    return best, whole[best]


@lru_cache(maxsize=64)
def _byte_table(name: str) -> Sequence[str]:
    return [bytes((byte,)).decode(name, "replace") for byte in range(256)]


@lru_cache(maxsize=1 << 16)
def _place_cost(before: str, char: str, after: str) -> tuple[float, str]:
    """What it costs that a character stands where it does, and the character in lower case where it is a letter."""
    if char == "\ufffd" or unicodedata.category(char) in ("Cc", "Cn", "Co"):
        return _UNDEFINED, ""
    if char.isalpha() or unicodedata.combining(char) or unicodedata.category(char) in ("Lm", "Mn", "Mc"):
        return _letter_place_cost(before, char, after), char.lower()
    return _sign_cost(before, char, after), ""


def _letter_place_cost(before: str, char: str, after: str) -> float:
    cost = 0.0
    script = _script(char)
    neighbours = [c for c in (before, after) if c.isalpha()]
    if any(_script(c) != script for c in neighbours):
        cost += _MIXED_SCRIPTS if script != "wide" else 2.0
    if char.isupper() and before.isalpha() and before.islower():
        cost += _INNER_CAPITAL
    if char.islower() and before.isalpha() and before.isupper() and after.isalpha() and after.isupper():
        cost += _INNER_CAPITAL
    if not neighbours and script not in ("wide", "thai", "arabic"):
        cost += _LONE_LETTER
        cost += _NEXT_TO_DIGIT if before.isdigit() or after.isdigit() else 0.0
    return cost


def _sign_cost(before: str, char: str, after: str) -> float:
    if _script(char) == "wide":
        return 0.0
    cost = _SIGNS.get(char, _RARE_SIGN)
    left, right = before.isalpha(), after.isalpha()
    if left and right and char not in _IN_WORDS:
        cost += _INNER_SIGN
    elif (left or right) and char not in _SIGNS:
        cost += _TOUCHING
    if any(c > "\x7f" and not c.isalpha() and c not in _SIGNS for c in (before, after)):
        cost += _NEXT_TO_SIGN
    if (left and char in _OPENING) or (right and char in _CLOSING):
        cost += _INNER_SIGN / 2
    if char in _MONEY:
        near_number = before.isdigit() or after.isdigit() or " " in (before, after)
        cost += -0.5 if near_number else 1.0
    return cost


@lru_cache(maxsize=1 << 12)
def _script(char: str) -> str:
    code = ord(char)
    if code < 0x250 or 0x300 <= code < 0x370 or 0x1E00 <= code < 0x1F00:
        return "latin"
    for end, name in (
        (0x400, "greek"),
        (0x530, "cyrillic"),
        (0x590, "other"),
        (0x600, "hebrew"),
        (0x700, "arabic"),
    ):
        if code < end:
            return name
    if 0xE00 <= code < 0xE80:
        return "thai"
    return "wide" if 0x2E80 <= code < 0xFFF0 else "other"


def _letters_score(letters: dict[str, float], code: str) -> float:
    costs = _letter_costs(code)
    if code in EAST_ASIAN:
        return -sum(count * _wide_cost(letter, code) for letter, count in letters.items())
    return -sum(count * costs.get(letter, _UNKNOWN_LETTER) for letter, count in letters.items())


@lru_cache(maxsize=64)
def _letter_costs(code: str) -> dict[str, float]:
    """Minus the logarithm of a letter's share among those beyond ASCII, by its rank (Zipf's law, flattened)."""
    if code not in ALPHABETS:
        return {}
    letters = ALPHABETS[code].letters
    start = 1 + len(letters) / 12
    total = sum(1 / (rank + start) for rank in range(len(letters)))
    return {letter: math.log(total * (rank + start)) for rank, letter in enumerate(letters)}


@lru_cache(maxsize=1 << 14)
def _wide_cost(char: str, code: str) -> float:
    """As `_letter_costs` for scripts of thousands of characters: common ones, everyday ones, all others."""
    common, share, codec, last_lead, everyday = EAST_ASIAN[code]
    if char in common:
        return math.log(len(common) / share)
    try:
        lead = char.encode(codec)[0]
    except UnicodeEncodeError:
        return _UNDEFINED
    return everyday if lead <= last_lead and _script(char) == "wide" else 11.5


def encoding_words(encoding: str) -> str:
    """What people call an encoding; Python's name where it is none of ours."""
    return ENCODINGS[encoding][0] if encoding in ENCODINGS else encoding


def share_of_best(guesses: Iterable[EncodingGuess]) -> list[float]:
    """Odds of the guesses as shares that add up to one."""
    scores = [guess.score for guess in guesses]
    weights = [math.exp(max(-700.0, score - scores[0])) for score in scores]
    return [weight / sum(weights) for weight in weights]
