"""Tables as people have them, written in any dialect: what `test_dialects` draws from."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

from hypothesis import strategies as st

# Words of a language, names of a text, a label and a number column in it, and the encodings its programs write.
LANGUAGES: dict[str, tuple[str, tuple[str, str, str], tuple[str, ...]]] = {
    "en": (
        "the pump in cellar costs about £20 and nobody came “yet” – it’s naïve to wait for Tuesday’s repair team",
        ("text", "label", "price"),
        ("utf-8", "utf-8-sig", "utf-16", "cp1252"),
    ),
    "de": (
        "die Tür im Keller schließt nicht und für größere Schäden zahlt der Mieter höchstens fünf Euro täglich",
        ("Nachricht", "Kategorie", "Betrag"),
        ("utf-8", "utf-8-sig", "cp1252", "latin-1"),
    ),
    "fr": (
        "le médecin a déjà prescrit un médicament à l’hôpital où ça va très bien après le goûter des élèves",
        ("commentaire", "catégorie", "prix"),
        ("utf-8", "cp1252", "mac_roman"),
    ),
    "pl": (
        "pacjent powinien zgłosić się do lekarza jeśli objawy się nasilą będzie musiał dłużej leżeć w łóżku",
        ("tekst", "etykieta", "cena"),
        ("utf-8", "cp1250", "iso8859-2"),
    ),
    "ru": (
        "пациент должен принимать лекарство каждый день после еды если боль не проходит нужно звонить врачу",
        ("текст", "категория", "цена"),
        ("utf-8", "cp1251", "koi8-r", "utf-16"),
    ),
    "tr": (
        "hastanın ilacı her gün yemekten sonra alması gerekiyor şikâyeti geçmiş değil çünkü ağrısı sürüyor",
        ("metin", "etiket", "tutar"),
        ("utf-8", "cp1254"),
    ),
    "zh": (
        "病人 每天 饭后 必须 服药 否则 病情 会 加重 请 问 什么 时候 可以 出院 我们 的 医生 说 明天 再 来",
        ("文本", "标签", "金额"),
        ("utf-8", "gb18030"),
    ),
    "ja": (
        "患者は 毎日 食後に 薬を 飲まなければ なりません 医師に 相談 してください 明日 また 来ます",
        ("テキスト", "ラベル", "金額"),
        ("utf-8", "shift_jis"),
    ),
}
LABELS = ("urgent", "normal", "other")
DELIMITERS = (",", ";", "\t", "|")


@dataclass(frozen=True)
class Written:
    """A table with the bytes of its file; `columns` is empty where the file names none."""

    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]
    data: bytes
    about: str
    encoding: str = "utf-8"


@st.composite
def written_tables(draw: st.DrawFn) -> Written:
    """A table in a language, and a dialect that its makers' programs write."""
    language = draw(st.sampled_from(sorted(LANGUAGES)))
    words, names, encodings = LANGUAGES[language]
    mark = draw(st.sampled_from(DELIMITERS))
    decimal = draw(st.sampled_from(",." if mark != "," else "."))
    kinds = draw(st.sampled_from(("tln", "tl", "tn", "ntl", "lt", "tdl")))
    ends = draw(st.sampled_from(("\n", "\r\n", "\r")))
    marks = [m for m in _MARKS if m != "\n" or ends != "\r"]  # the csv writer does not quote the other line end
    num_rows = draw(st.integers(3, 25))
    rows = [tuple(draw(_cell(kind, words.split(), decimal, marks)) for kind in kinds) for _ in range(num_rows)]
    has_header = draw(st.integers(0, 3)) > 0
    named = dict(zip("tln", names, strict=True)) | {"d": "date"}
    columns = tuple(named[kind] for kind in kinds) if has_header else ()
    quote = draw(st.sampled_from('"""\''))
    escape = draw(st.sampled_from(("doubled", "doubled", "backslash")))
    quoting = draw(st.sampled_from((csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC)))
    encoding = draw(st.sampled_from(encodings))
    text = io.StringIO(newline="")
    writer = csv.writer(
        text,
        delimiter=mark,
        quotechar=quote,
        quoting=quoting,
        lineterminator=ends,
        doublequote=escape == "doubled",
        escapechar="\\" if escape == "backslash" else None,
    )
    writer.writerows([columns, *rows] if has_header else rows)
    data = text.getvalue().encode(encoding)
    about = f"{language} {encoding} {mark!r} {quote} {escape} {quoting} {ends!r} {kinds}"
    return Written(columns, rows, data, about, encoding)


@st.composite
def _cell(draw: st.DrawFn, kind: str, words: list[str], decimal: str, between: list[str]) -> str:
    if kind == "l":
        return draw(st.sampled_from(LABELS))
    if kind == "n":
        return f"{draw(st.integers(0, 999))}{decimal}{draw(st.integers(0, 99)):02d}"
    if kind == "d":
        return f"{draw(st.integers(2001, 2026))}-{draw(st.integers(1, 12)):02d}-{draw(st.integers(1, 28)):02d}"
    chosen = draw(st.lists(st.sampled_from(words), min_size=4, max_size=14))
    marks = draw(st.lists(st.sampled_from(between), min_size=len(chosen), max_size=len(chosen)))
    return "".join(word + mark for word, mark in zip(chosen, marks, strict=True)).strip()


# Punctuation between words, mostly none; a mark alone stands before a blank, as in running text.
_MARKS = (" ",) * 24 + (
    ", ",
    ", ",
    "; ",
    ". ",
    ' "',
    '" ',
    " | ",
    "\n",
    " 3,5 ",
    " 1.200,50 € ".replace("€", ""),
    "' ",
)
