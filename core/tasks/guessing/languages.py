"""Is the answer a translation of the input? By the names of the columns, or by two scripts beside each other."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence

from core.tasks.guessing.answers import Answers
from core.tasks.guessing.profile import ColumnProfile
from core.tasks.reading.column_words import word_set

_NAMED = word_set(
    "translation translated traduction traduccion traduzione traducao ubersetzung uebersetzung vertaling перевод "
    "译文 翻译 翻譯 翻訳 번역 ceviri tlumaczenie"
)
_LANGUAGES = word_set(
    "en de fr es it pt nl sv da fi pl cs hu ro ru uk tr el ar he fa hi zh ja ko th vi english german french "
    "spanish italian portuguese dutch swedish norwegian danish finnish polish czech hungarian romanian russian "
    "ukrainian turkish greek arabic hebrew persian hindi chinese japanese korean thai vietnamese deutsch englisch "
    "französisch francais anglais allemand espanol ingles "
    "中文 英文 英语 日本語 英語 한국어 영어 русский английский"
)
_LOOKED_AT = 60


def is_translation(inputs: Sequence[ColumnProfile], answers: Answers) -> bool:
    if _NAMED & set(answers.target.words):
        return True
    names = [set(p.words) & _LANGUAGES for p in (*inputs, answers.target)]
    if sum(map(bool, names)) >= 2 and names[-1]:
        return True
    if answers.target.typical_words < 2 or len(inputs) != 1:
        return False
    pairs = list(zip(answers.sources, answers.answers, strict=True))[:_LOOKED_AT]
    other = sum(1 for source, answer in pairs if _scripts_differ(source, answer))
    return other > 0.8 * len(pairs)


def _scripts_differ(source: str, answer: str) -> bool:
    """Two scripts, and texts of about one length."""
    a, b = _script(source), _script(answer)
    return bool(a and b) and a != b and 0.2 < len(source) / max(1, len(answer)) < 5


def _script(text: str) -> str:
    """The script that most letters have, as the first word of their Unicode names; '' without letters."""
    names = Counter(unicodedata.name(c, "UNNAMED").split()[0] for c in text[:200] if c.isalpha())
    name = names.most_common(1)[0][0] if names else ""
    return "CJK" if name in ("HIRAGANA", "KATAKANA") else name
