"""Words for practice, check set and final exam: in a column's cells, in the name of a file, a sheet or a folder.

Whole words only: 'contest', 'latest' and 'trainer' say nothing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

_WORDS = {
    "train": (
        "train training trn learn learning entrainement apprentissage entrenamiento treino treinamento "
        "addestramento trening egitim обучение обучающая тренировка 训练 訓練 训练集 訓練集 学習 학습 훈련"
    ),
    "test": (
        "test tests testing tst testset exam eval evaluation prueba pruebas teste тест тестовая 测试 測試 "
        "测试集 測試集 テスト 評価 테스트 시험"
    ),
    "validation": (
        "validation valid val validate dev devel development check validierung validacion validacao validazione "
        "validatie walidacja dogrulama валидация 验证 驗證 验证集 驗證集 开发集 開發集 検証 검증"
    ),
}
SPLIT_NAMES = {word: split for split, words in _WORDS.items() for word in words.split()}
# In a file's name these are more often about its content: check_list.csv, learning.csv, exam_questions.csv.
_ONLY_CELLS = frozenset(("check", "exam", "learn", "learning", "validate", "development", "tests", "evaluation"))
_TOKEN = re.compile(r"[^\W\d_]+|\d+")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_CHINESE = re.compile(r"(训练集?|訓練集?|测试集?|測試集?|验证集?|驗證集?|开发集|開發集)")
_SET = frozenset(("set", "split", "data"))  # train_set, dev split: part of the word before them
MOST_WORDS = 12  # different words of a column that may still say the split


def split_of_word(cell: str) -> str | None:
    """train, validation or test for a cell that says nothing else, such as 'Train', 'dev set' or 'Validación'."""
    apart = cell.replace("_", " ").replace("-", " ")
    if len(apart.split(maxsplit=2)) > 2:  # running text, most cells of most columns
        return None
    words = _plain(apart).split()
    if len(words) == 2 and words[1] in _SET:
        words = words[:1]
    return SPLIT_NAMES.get(words[0]) if len(words) == 1 else None


def split_of_name(name: str) -> str | None:
    """What one word of a name says; None without such a word, or with two that differ."""
    found = {split for word in name_tokens(name) if (split := _split_of_token(word))}
    return found.pop() if len(found) == 1 else None


def stem_tokens(name: str) -> tuple[str, ...]:
    """The words of a name without those that say the split: what files of one data set share."""
    tokens = name_tokens(name)
    kept = [i for i, word in enumerate(tokens) if not _split_of_token(word)]
    if len(kept) == len(tokens):
        return tuple(tokens)
    return tuple(tokens[i] for i in kept if not (tokens[i] in _SET and i and (i - 1) not in kept))


def name_tokens(name: str) -> list[str]:
    """'testMail_2024' -> test, mail, 2024."""
    apart = _CHINESE.sub(r" \1 ", _CAMEL.sub(" ", name))
    return [_plain(word) for word in _TOKEN.findall(apart)]


def says_split(counts: Mapping[str, int]) -> bool:
    """Whether a column with these words (and how often each comes) says the split: train and another one are
    among few words, and most rows say a word that is known."""
    known = {word: split for word in counts if (split := split_of_word(word))}
    splits = set(known.values())
    rows = sum(counts[word] for word in known)
    filled = sum(count for word, count in counts.items() if word.strip())
    return "train" in splits and len(splits) > 1 and len(counts) <= MOST_WORDS and rows * 2 > filled


def _split_of_token(word: str) -> str | None:
    return None if word in _ONLY_CELLS else SPLIT_NAMES.get(word)


def _plain(word: str) -> str:
    """Small letters, Latin ones without accents: Validación -> validacion."""
    return "".join(_base(c) for c in unicodedata.normalize("NFC", word.strip().casefold()))


def _base(character: str) -> str:
    base = unicodedata.normalize("NFKD", character)[:1]
    return base if base.isascii() and base.isalpha() else character
