"""Metrics in every script: unrelated sentences share nothing, signs differ, nothing equals the empty text."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.evaluation.metrics import METRICS, score, values_of_rows
from core.evaluation.normalise import items, letters, plain, tokens, words

UNRELATED = {  # two sentences of a language that have nothing to do with each other
    "English": ("the cat sleeps near a window", "tomorrow our government will discuss new taxes"),
    "Russian": ("Кошка спит на тёплом подоконнике", "Завтра правительство обсудит новый бюджет страны"),
    "French": ("Le chat dort tranquillement sur la fenêtre", "Demain, notre équipe présentera son budget"),
    "German": ("Die Katze schläft am Fenster", "Morgen berät unsere Regierung über neue Steuern"),
    "Greek": ("Η γάτα κοιμάται στο παράθυρο", "Αύριο θα συζητηθεί νέος προϋπολογισμός"),
    "Arabic": ("القطة تنام قرب النافذة الدافئة", "ستناقش الحكومة ميزانية جديدة غدا"),
    "Hebrew": ("החתול ישן ליד החלון", "הממשלה תדון מחר בתקציב חדש"),
    "Hindi": ("बिल्ली खिड़की के पास सो रही है", "सरकार कल नए बजट पर चर्चा करेगी"),
    "Korean": ("고양이가 창가에서 자고 있다", "정부는 내일 새 예산을 논의한다"),
    "Armenian": ("Կատուն քնում է պատուհանի մոտ", "Վաղը կառավարությունը կքննարկի նոր բյուջեն"),
    "Vietnamese": ("Con mèo ngủ bên cửa sổ", "Ngày mai chính phủ thảo luận ngân sách mới"),
    "Chinese": ("猫在温暖的窗台上睡觉", "政府明天讨论新的国家预算"),
}
SPACELESS = {  # single characters come back by chance more often than words
    "Japanese": ("猫は暖かい窓辺で眠っている", "政府は明日新しい予算を議論する"),
    "Thai": ("แมวนอนหลับอยู่ข้างหน้าต่าง", "รัฐบาลจะหารือเรื่องงบประมาณใหม่พรุ่งนี้"),
    "Lao": ("ແມວນອນຢູ່ໃກ້ປ່ອງຢ້ຽມ", "ລັດຖະບານຈະສົນທະນາງົບປະມານໃໝ່ມື້ອື່ນ"),
    "Khmer": ("ឆ្មាគេងនៅជិតបង្អួច", "រដ្ឋាភិបាលនឹងពិភាក្សាថវិកាថ្មីនៅថ្ងៃស្អែក"),
    "Burmese": ("ကြောင်သည် ပြတင်းပေါက်နားတွင် အိပ်နေသည်", "အစိုးရသည် မနက်ဖြန် ဘတ်ဂျက်အသစ်ကို ဆွေးနွေးမည်"),
}
OVERLAPS = ("rouge_l", "token_f1")


@pytest.mark.parametrize("metric", OVERLAPS)
@pytest.mark.parametrize("language", UNRELATED)
def test_unrelated_sentences_share_next_to_nothing(language: str, metric: str) -> None:
    first, second = UNRELATED[language]
    assert score(metric, [first], [second]).value <= 0.1


@pytest.mark.parametrize("metric", [*OVERLAPS, "character_f1"])
@pytest.mark.parametrize("language", SPACELESS)
def test_scripts_without_spaces_are_compared_by_characters_with_their_marks(language: str, metric: str) -> None:
    first, second = SPACELESS[language]
    assert score(metric, [first], [second]).value < 0.3
    assert 0.4 < score(metric, [second[: len(second) // 2]], [second]).value < 1


@pytest.mark.parametrize("metric", METRICS.names())
@pytest.mark.parametrize("language", [*UNRELATED, *SPACELESS])
def test_a_sentence_equals_itself_however_it_is_encoded(language: str, metric: str) -> None:
    for text in (*UNRELATED.get(language, ()), *SPACELESS.get(language, ())):
        taken_apart = unicodedata.normalize("NFD", text)
        assert score(metric, [text], [text]).value == pytest.approx(1)
        assert score(metric, [taken_apart], [text]).value == pytest.approx(1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("कृष्ण ने कहा", ["कृष्ण", "ने", "कहा"]),
        ("שָׁלוֹם עולם", ["שָׁלוֹם", "עולם"]),
        ("كِتَاب جميل", ["كِتَاب", "جميل"]),
        ("ete\u0301 nai\u0308f", ["eté", "naïf"]),
        ("สวัสดี", ["ส", "วั", "ส", "ดี"]),
        ("សួស្តី", ["សួ", "ស្តី"]),
        ("コンピュータ", ["コ", "ン", "ピ", "ュ", "ー", "タ"]),
        ("می\u200cرود", ["می\u200cرود"]),
        ("👍🏽 👨\u200d👩\u200d👧 ok", ["👍🏽", "👨\u200d👩\u200d👧", "ok"]),
        ("it rose by -7 % to 3.5kg, 12:30", ["it", "rose", "by", "-7", "to", "3.5", "kg", "12:30"]),
        ("covid-19", ["covid", "19"]),
        ("x | y", ["x", "y"]),
    ],
)
def test_words_are_letters_with_their_marks(text: str, expected: list[str]) -> None:
    assert tokens(text) == [plain(word) if word[0].isalpha() else word for word in expected]


def test_articles_are_dropped_only_before_a_word() -> None:
    assert words("The end of a day") == ["end", "of", "day"]
    assert words("grade A") == ["grade", "a"]
    assert words("A") == ["a"]
    assert words("a+") == ["a", "+"]


DIFFERENT = [
    ("👍", "👎"),
    ("+", "-"),
    ("A+", "A-"),
    ("!", "?"),
    ("...", "?"),
    ("''", '"'),
    ("a", "the"),
    (":)", ":("),
]


@pytest.mark.parametrize("metric", METRICS.names())
@pytest.mark.parametrize(("answer", "right"), DIFFERENT)
def test_signs_and_emoji_are_compared_as_they_are(answer: str, right: str, metric: str) -> None:
    assert values_of_rows(metric, [answer], [right])[0] < 0.999
    if metric not in ("bleu", "chrf"):  # both are counts over texts, not made for single signs
        assert values_of_rows(metric, [right], [right]) == [1.0]


@pytest.mark.parametrize("metric", METRICS.names())
@pytest.mark.parametrize("empty", ["", "  ", "\u200b", "\ufeff\n"])
@pytest.mark.parametrize("right", ["none", "无", "0", "-", "?", "…", "👍", "a", "PER: Ann", "n/a", "null"])
def test_empty_never_equals_something(empty: str, right: str, metric: str) -> None:
    assert values_of_rows(metric, [empty], [right]) == [0.0]
    assert values_of_rows(metric, [right], [empty])[0] < 0.999


@pytest.mark.parametrize("metric", [m for m in METRICS.names() if m not in ("bleu", "chrf")])
def test_empty_against_empty_agrees(metric: str) -> None:
    assert values_of_rows(metric, [""], [" "]) == [1.0]


def test_a_list_that_says_none_is_an_answer_and_one_that_says_nothing_is_a_wrong_item() -> None:
    assert items("none") == []
    assert items("") == items(" ; ;") == [""]
    assert score("entity_f1", ["none", "LOC: Rome"], ["none", "LOC: Rome"]).value == 1.0
    assert score("entity_f1", ["", "LOC: Rome"], ["none", "LOC: Rome"]).value == pytest.approx(2 / 3)


@given(st.text(max_size=40))
@example("0\x1f.")
@example('0".".')
@example("a\u200b\u0301")
def test_no_text_loses_everything(text: str) -> None:
    if plain(text):
        assert words(text)
        assert letters(text)
    assert plain(plain(text)) == plain(text)


@given(st.text(max_size=25), st.text(max_size=25))
def test_values_are_shares_and_equal_texts_agree(answer: str, right: str) -> None:
    for metric in METRICS.names():
        if metric in ("bleu", "chrf"):
            continue
        assert 0.0 <= values_of_rows(metric, [answer], [right])[0] <= 1.0
        assert values_of_rows(metric, [right], [right]) == [1.0]
