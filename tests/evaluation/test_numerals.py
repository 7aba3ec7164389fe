"""Numbers as people write them: decimal marks, thousands, powers, fractions, times, dates, all digits."""

from __future__ import annotations

import time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.evaluation.metrics import values_of_rows
from core.evaluation.numerals import COMMA, POINT, decimal_mark, last_quantity


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("about $1,234.50 in all", 1234.5),
        ("(3.2)", -3.2),
        ("it rose by -7 %", -7.0),
        ("it fell by −7 %", -7.0),
        ("no number", None),
        ("from 3 to 4", 4.0),
        ("pages 3-5", 5.0),
        ("５００", 500.0),
        (".5", 0.5),
        ("3,14", 3.14),
        ("1.234.567,89", 1234567.89),
        ("1 234,5", 1234.5),
        ("1\u202f234\u202f567", 1234567.0),
        ("1'234.50", 1234.5),
        ("1,00,000", 100000.0),
        ("9.9e-05", 9.9e-05),
        ("1.5 × 10⁻⁵", 1.5e-05),
        ("10⁵", 1e5),
        ("3/4", 0.75),
        ("1½", 1.5),
        ("1 1/2", 1.5),
        ("٣٫١٤", 3.14),
        ("३.५", 3.5),
        ("-$5", -5.0),
        ("$-5", -5.0),
        ("the year 2024.", 2024.0),
        ("H2O", None),
        ("12:30", None),
    ],
)
def test_last_number(text: str, number: float | None) -> None:
    found = last_quantity(text)
    read = None if found is None or found.number is None else float(found.number)
    assert read == (None if number is None else pytest.approx(number))


@pytest.mark.parametrize(
    ("answer", "right", "agree"),
    [
        ("3.14", "3,14", True),
        ("31,4", "3,14", False),
        ("9.9e-05", "1.5e-05", False),
        ("0.000015", "1.5e-05", True),
        ("3/4", "1/4", False),
        ("3/4", "3/4", True),
        ("0.75", "3/4", True),
        ("1/10000", "1/10001", False),
        ("12:30", "11:30", False),
        ("12:30", "12:45", False),
        ("9:05", "09:05", True),
        ("3:30 pm", "15:30", True),
        ("12:30:00", "12:30", True),
        ("3:1", "2:1", False),
        ("2024-05-06", "2023-05-06", False),
        ("06.05.2024", "6.5.2024", True),
        ("3.4.2024", "3/4/2024", False),
        ("12345", "12346", False),
        ("100000.4", "100000", True),
        ("0.00001", "0", False),
        ("-5", "5", False),
        ("42 %", "42", True),
        ("1,234", "1234", True),
        ("the sum is 7", "= 7", True),
        ("", "0", False),
        ("1e999999999", "1", False),
        ("1/0", "1", False),
        ("n/a", "n/a", True),
        ("yes", "no", False),
    ],
)
def test_number_match(answer: str, right: str, agree: bool) -> None:
    assert values_of_rows("number_match", [answer], [right]) == [float(agree)]


def test_the_file_decides_what_a_comma_means() -> None:
    german, english = ["0,5", "12,75", "1.234"], ["0.5", "12.75", "1,234"]
    assert decimal_mark(german) == COMMA
    assert decimal_mark(english) == decimal_mark(["1,234", "5"]) == POINT
    assert values_of_rows("number_match", ["0.5", "12.75", "1234"], german) == [1, 1, 1]
    assert values_of_rows("number_match", ["0.5", "12.75", "1234"], english) == [1, 1, 1]
    assert values_of_rows("number_match", ["0.5", "12.75", "1.234"], german) == [1, 1, 1]
    assert values_of_rows("number_match", ["0.5", "12.75", "1.234"], english) == [1, 1, 0]


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**9), max_value=10**9))
def test_a_number_reads_back(number: Decimal) -> None:
    for mark in (POINT, COMMA):
        found = last_quantity(f"= {number:f}".replace(".", mark), mark)
        assert found is not None
        assert found.number == number


@given(st.text(max_size=60))
def test_no_text_breaks_the_reader(text: str) -> None:
    assert values_of_rows("number_match", [text], [text]) == [1.0]


@pytest.mark.parametrize(
    "piece", ["1 2 3 abc 5, 6.7 ", "1", "1,", "$ ", " ", "1/", "1.5 x ", "1:", "1 1/", "1,111", "("]
)
def test_long_texts_are_read_in_linear_time(piece: str) -> None:
    began = time.perf_counter()
    last_quantity((piece * 40000)[:40000])
    assert time.perf_counter() - began < 5
