"""Workbooks as people have them: what is shown is read, and whatever was done to it is told."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest

from core.base.errors import TaskFileError
from core.tasks.guessing.roles import guess_roles
from core.tasks.reading.files import read_table
from core.tasks.reading.readings import ReadOptions
from core.tasks.reading.table import Table
from tests.tasks.workbooks import replace_in_book, write_book

HEAD = ["text", "label"]


def body(count: int = 6) -> list[list[Any]]:
    return [
        [f"the {word} of house {i} is broken", "ab"[i % 2]]
        for i, word in zip(range(count), "abcdefghij", strict=False)
    ]


def told(table: Table) -> dict[str, dict[str, Any]]:
    return {p.key: p.values for p in table.problems}


def column(table: Table, name: str) -> list[Any]:
    return [row[name] for row in table.rows]


# --- what a cell shows
def test_numbers_are_read_as_they_are_shown(tmp_path: Path) -> None:
    cells = [(501, "00000"), (0.15, "0%"), (3.5, '#,##0.00 "EUR"'), (1 / 3, "General"), (0.25, "# ?/?")]
    path = write_book(
        tmp_path / "a.xlsx", {"d": [["text", "a", "b", "c", "d", "e"], *([f"t {i}", *cells] for i in range(3))]}
    )
    table = read_table(path)
    assert list(table.rows[0].values()) == ["t 0", "00501", "15%", "3.50 EUR", "0.333333333", "1/4"]
    shown = [p.values for p in table.problems if p.key == "file.shown_numbers"]
    assert [(v["column"], v["shown"], v["stored"], v["count"]) for v in shown] == [
        ("a", "00501", "501", 3), ("b", "15%", "0.15", 3), ("c", "3.50 EUR", "3.5", 3), ("e", "1/4", "0.25", 3),
    ]  # fmt: skip
    stored = read_table(path, ReadOptions(raw_numbers=True))
    assert list(stored.rows[0].values()) == ["t 0", "501", "0.15", "3.5", "0.3333333333333333", "0.25"]


def test_dates_times_and_durations(tmp_path: Path) -> None:
    day = datetime.datetime(2024, 3, 5)
    cells = [
        (day, "dd.mm.yyyy"), (day, "yyyy-mm-dd hh:mm:ss"), (day.replace(hour=9), "yyyy-mm-dd hh:mm"),
        (day, "mm-dd-yy"), (datetime.time(9, 30), "h:mm:ss"), (datetime.timedelta(hours=26.5), "[h]:mm"),
        (45000, 'yyyy"年"m"月"d"日"'),
    ]  # fmt: skip
    path = write_book(tmp_path / "a.xlsx", {"d": [["text", *"abcdefg"], *([f"t {i}", *cells] for i in range(3))]})
    table = read_table(path)
    assert list(table.rows[0].values())[1:] == [
        "05.03.2024", "2024-03-05", "2024-03-05 09:00", "2024-03-05", "9:30:00", "26:30", "2023年3月15日",
    ]  # fmt: skip
    assert told(table)["file.no_clock"]["column"] == "b"
    assert told(table)["file.system_dates"]["column"] == "d"
    stored = read_table(path, ReadOptions(raw_numbers=True))
    assert list(stored.rows[0].values())[1:] == [
        "2024-03-05", "2024-03-05", "2024-03-05 09:00:00", "2024-03-05", "09:30:00", "26:30:00", "2023-03-15",
    ]  # fmt: skip


def test_midnight_stays_where_other_times_are(tmp_path: Path) -> None:
    code = "yyyy-mm-dd hh:mm"
    days = [datetime.datetime(2024, 3, 5), datetime.datetime(2024, 3, 5, 8, 15)]
    path = write_book(
        tmp_path / "a.xlsx", {"d": [["text", "at"], *([f"t {i}", (d, code)] for i, d in enumerate(days))]}
    )
    assert column(read_table(path), "at") == ["2024-03-05 00:00", "2024-03-05 08:15"]


def test_one_truth_value_however_it_is_written(tmp_path: Path) -> None:
    values = [True, False, "TRUE", "false", "True", None]
    path = write_book(tmp_path / "a.xlsx", {"d": [HEAD, *([f"text {i}", v] for i, v in enumerate(values))]})
    table = read_table(path)
    assert column(table, "label") == ["TRUE", "FALSE", "TRUE", "FALSE", "TRUE", None]
    assert told(table)["file.truth_words"]["count"] == 2
    words = write_book(tmp_path / "b.xlsx", {"d": [HEAD, ["text one", "true"], ["text two", "maybe"]]})
    assert column(read_table(words), "label") == ["true", "maybe"]  # no truth value among them: words as they are


def test_a_number_and_its_text_are_one_label(tmp_path: Path) -> None:
    path = write_book(tmp_path / "a.xlsx", {"d": [HEAD, *([f"text {i}", 1 if i % 2 else "1"] for i in range(6))]})
    assert set(column(read_table(path), "label")) == {"1"}


def test_a_format_that_hides_a_number_hides_nothing_here(tmp_path: Path) -> None:
    path = write_book(tmp_path / "a.xlsx", {"d": [HEAD, *([f"text {i}", (i, ";;;")] for i in range(4))]})
    table = read_table(path)
    assert column(table, "label") == ["0", "1", "2", "3"]
    assert told(table)["file.unshown_numbers"]["count"] == 4


def test_chinese_dates_that_have_a_number_only(tmp_path: Path) -> None:
    path = write_book(tmp_path / "a.xlsx", {"d": [HEAD, *([f"text {i}", (45000 + i, "0.000")] for i in range(3))]})
    replace_in_book(path, "xl/styles.xml", 'numFmtId="164" fontId', 'numFmtId="31" fontId')
    assert column(read_table(path), "label")[0] == "2023年3月15日"


def test_escapes_of_the_format_are_no_text(tmp_path: Path) -> None:
    path = write_book(tmp_path / "a.xlsx", {"d": [HEAD, ["one_x000A_two_x000D_", "a"], ["plain_x0041_", "b"]]})
    assert column(read_table(path), "text") == ["one\ntwo", "plainA"]


# --- merged, hidden, formulas
def test_merged_cells_fill_their_range(tmp_path: Path) -> None:
    rows = [HEAD, *body(6)]
    path = write_book(tmp_path / "a.xlsx", {"d": rows}, lambda s: (s.merge_cells("B2:B4"), s.merge_cells("B5:B7")))
    table = read_table(path)
    assert column(table, "label") == ["a", "a", "a", "b", "b", "b"]
    assert told(table)["file.merged_cells"] == {"file": "a.xlsx", "count": 2, "ranges": "B2:B4, B5:B7"}


def test_a_section_title_over_the_whole_width_is_no_row(tmp_path: Path) -> None:
    rows = [HEAD, *body(3), ["Second part", None], *body(6)[3:]]
    path = write_book(tmp_path / "a.xlsx", {"d": rows}, lambda s: s.merge_cells("A5:B5"))
    table = read_table(path)
    assert {"text": "Second part", "label": None} in table.rows  # no answer: left out and named when a task is made
    assert "file.merged_cells" not in told(table)


def test_a_name_may_stand_above_alone(tmp_path: Path) -> None:
    rows = [["Frage", "Bewertung", "Bewertung"], [None, "Note", "Text"]]
    rows += [[f"Was kostet Nummer {i} denn", i % 6 + 1, f"gut {i}"] for i in range(9)]
    table = read_table(write_book(tmp_path / "a.xlsx", {"d": rows}))
    assert table.columns == ("Frage", "Bewertung / Note", "Bewertung / Text")
    assert len(table.rows) == 9


@pytest.mark.parametrize("merged", [True, False])
def test_two_header_rows_are_joined(tmp_path: Path, merged: bool) -> None:
    rows = [["Report", None, "Result", None], ["text", "lang", "label", "reviewer"]]
    rows += [[text, "en", label, "ab"] for text, label in body()]

    def merge(sheet: Any) -> None:
        if merged:
            sheet.merge_cells("A1:B1")
            sheet.merge_cells("C1:D1")

    table = read_table(write_book(tmp_path / "a.xlsx", {"d": rows}, merge))
    assert table.columns == ("Report / text", "Report / lang", "Result / label", "Result / reviewer")
    assert (len(table.rows), table.lines[0]) == (6, 3)
    assert told(table)["file.two_headers"]["line"] == 2
    guess = guess_roles(table)
    assert (guess.inputs, guess.targets) == (("Report / text",), ("Result / label",))  # not the reviewer


def test_a_header_merged_over_two_rows(tmp_path: Path) -> None:
    rows = [["text", "Result", None], [None, "label", "reviewer"], *([t, lab, "ab"] for t, lab in body())]
    path = write_book(tmp_path / "a.xlsx", {"d": rows}, lambda s: (s.merge_cells("A1:A2"), s.merge_cells("B1:C1")))
    assert read_table(path).columns == ("text", "Result / label", "Result / reviewer")


def test_hidden_rows_and_columns_are_said(tmp_path: Path) -> None:
    def hide(sheet: Any) -> None:
        sheet.row_dimensions[3].hidden = True
        sheet.column_dimensions["C"].hidden = True

    rows = [[*HEAD, "note"], *([*row, f"n {i}"] for i, row in enumerate(body()))]
    table = read_table(write_book(tmp_path / "a.xlsx", {"d": rows}, hide))
    assert told(table)["file.hidden_rows"] == {"file": "a.xlsx", "count": 1, "lines": "3"}
    assert told(table)["file.hidden_columns"]["columns"] == "note"


def test_the_visible_sheet_is_taken(tmp_path: Path) -> None:
    sheets = {"lists": [["code", "meaning"], ["k", "urgent"], ["l", "normal"]], "Tickets": [HEAD, *body()]}
    path = write_book(tmp_path / "a.xlsx", sheets, lambda s: setattr(s, "sheet_state", "hidden"))
    table = read_table(path)
    assert table.columns == ("text", "label")
    assert told(table)["file.hidden_sheets"]["others"] == "lists"
    assert read_table(path, ReadOptions(sheet="lists")).rows[-1]["column_1"] == "l"


def test_a_cover_sheet_is_passed_over_and_a_second_table_is_asked_about(tmp_path: Path) -> None:
    cover = [["Complaints of the year"], ["Written by the office"]]
    sheets = {"Read me": cover, "Tickets": [HEAD, *body()], "Old": [["note", "mark"], ["x one", 1], ["y two", 2]]}
    table = read_table(write_book(tmp_path / "a.xlsx", sheets))
    assert (table.columns, table.sheets) == (("text", "label"), ("Read me", "Tickets", "Old"))
    assert told(table)["file.other_sheets"]["others"] == "Read me, Old"
    (doubt,) = table.doubts
    assert (doubt.about, doubt.taken.options.sheet, doubt.other.options.sheet) == ("sheet", "Tickets", "Old")
    assert doubt.other.rows[0] == ("x one", "1")


def test_sheets_of_one_data_set_are_read_together(tmp_path: Path) -> None:
    sheets = {"train": [HEAD, *body(6)], "test": [HEAD, ["quite new", "a"]], "notes": [["nothing"]]}
    table = read_table(write_book(tmp_path / "a.xlsx", sheets))
    assert (len(table.rows), table.split_column) == (7, "split")
    assert [row["split"] for row in table.rows][-2:] == ["train", "test"]
    assert told(table)["file.split_parts"]["parts"] == "train: 6, test: 1"


def test_formulas_without_a_result_are_named_with_the_remedy(tmp_path: Path) -> None:
    rows = [
        [*HEAD[:1], "minutes", "label"],
        *([t, i, f'=IF(B{i}>2,"late","on time")'] for i, (t, _) in enumerate(body(), 2)),
    ]
    with pytest.raises(TaskFileError) as caught:
        read_table(write_book(tmp_path / "a.xlsx", {"d": rows}))
    assert (caught.value.key, caught.value.values["columns"]) == ("file.formulas_only", "label")
    assert "save it there" in caught.value.hint
    rows[3][2] = "late"
    table = read_table(write_book(tmp_path / "b.xlsx", {"d": rows}))
    assert told(table)["file.formulas"]["count"] == 5


def test_a_stored_result_of_a_formula_is_its_value(tmp_path: Path) -> None:
    path = write_book(tmp_path / "a.xlsx", {"d": [[*HEAD, "n"], *([*r, "=A1"] for r in body(3)), ["last", "a", 5]]})
    replace_in_book(path, "xl/worksheets/sheet1.xml", "<f>A1</f><v></v>", "<f>A1</f><v>7</v>")
    assert column(read_table(path), "n") == ["7", "7", "7", "5"]


# --- rows that are not where they should be
def test_words_at_the_head_of_a_block_are_asked_about(tmp_path: Path) -> None:
    teams = ["plumbing", None, None, "garden", None, None, "roof", None]
    rows = [["team", "text"], *([team, text] for team, (text, _) in zip(teams, body(8), strict=True))]
    path = write_book(tmp_path / "a.xlsx", {"d": rows})
    (doubt,) = read_table(path).doubts
    assert (doubt.about, doubt.taken.options.fill_down, doubt.other.options.fill_down) == ("blocks", False, True)
    assert [row[0] for row in doubt.other.rows] == ["plumbing"] * 3
    filled = read_table(path, doubt.other.options)
    assert column(filled, "team") == ["plumbing"] * 3 + ["garden"] * 3 + ["roof"] * 2
    assert told(filled)["file.filled_down"]["count"] == 5
    assert filled.doubts == ()


def test_a_second_table_below_is_left_out_and_said(tmp_path: Path) -> None:
    rows = [HEAD, *body(8), [None, None], ["name", "phone"], ["Ada", 12345], ["Bob", 67890]]
    table = read_table(write_book(tmp_path / "a.xlsx", {"d": rows}))
    assert len(table.rows) == 8
    assert told(table)["file.second_table"] == {"file": "a.xlsx", "line": 11, "columns": "name, phone", "count": 3}
    apart = [HEAD, *body(4), [None, None], *body(8)[4:]]
    assert len(read_table(write_book(tmp_path / "b.xlsx", {"d": apart})).rows) == 8  # a blank row ends nothing


def test_a_table_on_its_side_is_refused(tmp_path: Path) -> None:
    rows = [[name, *(cell[i] for cell in body(10) * 2)] for i, name in enumerate(HEAD)]
    with pytest.raises(TaskFileError, match="text, label stand below each other"):
        read_table(write_book(tmp_path / "a.xlsx", {"d": rows}))


def test_a_repeated_header_is_left_out(messy: Path) -> None:
    table = read_table(messy / "18-header-value" / "concat.xlsx")
    assert (len(table.rows), table.columns) == (100, ("text", "label"))
    assert "reading.repeated_header" in told(table)


def test_sheets_with_the_same_columns_are_read_together(tmp_path: Path) -> None:
    path = write_book(tmp_path / "a.xlsx", {"Jan": [HEAD, *body(6)], "Feb": [HEAD, *body(8)[6:]]})
    table = read_table(path)
    assert [row["sheet"] for row in table.rows] == ["Jan"] * 6 + ["Feb"] * 2
    assert (table.split_column, table.doubts[0].other.options.sheet) == ("", "Jan")
    assert len(read_table(path, table.doubts[0].other.options).rows) == 6


def test_a_short_pivot_in_front_gives_way_to_the_data(tmp_path: Path) -> None:
    pivot = [["Row Labels", "Count"], ["a", 13], ["b", 13], ["Total", 26]]
    table = read_table(write_book(tmp_path / "a.xlsx", {"Pivot": pivot, "Data": [HEAD, *body(10) * 2]}))
    assert table.columns == ("text", "label")


def test_a_late_wide_row_is_not_dropped(tmp_path: Path) -> None:
    rows = [HEAD, *body(6)]
    rows[6] = [*rows[6], None, "remark"]
    table = read_table(write_book(tmp_path / "a.xlsx", {"d": rows}))
    assert len(table.rows) == 6
    assert table.rows[5]["column_3"] == "remark"


def test_a_table_that_begins_further_right(tmp_path: Path) -> None:
    table = read_table(write_book(tmp_path / "a.xlsx", {"d": [[None, *row] for row in [HEAD, *body()]]}))
    assert (table.columns, table.problems) == (("text", "label"), [])


def test_a_title_over_a_table_that_begins_further_right(tmp_path: Path) -> None:
    rows = [[None, "Complaints of the year", None], *([None, *row] for row in [HEAD, *body()])]
    table = read_table(write_book(tmp_path / "a.xlsx", {"d": rows}, lambda s: s.merge_cells("B1:C1")))
    assert (table.columns, len(table.rows)) == (("text", "label"), 6)
    assert "file.title_row" in told(table)


def test_a_workbook_in_the_strict_format_is_refused_by_name(tmp_path: Path) -> None:
    path = write_book(tmp_path / "a.xlsx", {"d": [HEAD, *body()]})
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    replace_in_book(path, "xl/workbook.xml", main, "http://purl.oclc.org/ooxml/spreadsheetml/main")
    with pytest.raises(TaskFileError, match="Strict Open XML"):
        read_table(path)


def test_a_merged_range_as_large_as_the_sheet_costs_nothing(tmp_path: Path) -> None:
    path = write_book(tmp_path / "a.xlsx", {"d": [HEAD, *body()]}, lambda s: s.merge_cells("B2:B3"))
    replace_in_book(path, "xl/worksheets/sheet1.xml", 'ref="B2:B3"', 'ref="D2:XFD1048576"')
    assert len(read_table(path).columns) == 2


# --- the examples of our own making
@pytest.mark.parametrize(
    ("file", "columns", "first", "keys"),
    [
        ("02-excel-number-format/codes.xlsx", 2, {"depot code": "00501"}, {"file.shown_numbers"}),
        ("02-excel-number-format/rates.xlsx", 3, {"discount": "15.0%", "fee": "3.50 EUR"}, {"file.shown_numbers"}),
        ("03-excel-merged/merged.xlsx", 2, {"team": "plumbing"}, {"file.merged_cells"}),
        ("04-excel-two-headers/two_headers.xlsx", 4, {"Result / label": "urgent"}, {"file.two_headers"}),
        ("05-excel-hidden/hidden_sheet.xlsx", 2, {"label": "urgent"}, {"file.hidden_sheets"}),
        ("07-excel-values/bools.xlsx", 2, {"urgent": "TRUE"}, set()),
        ("07-excel-values/noise.xlsx", 2, {"amount": "0.3"}, set()),
        ("07-excel-values/values.xlsx", 5, {"day": "05/03/2024", "clock": "9:30:00", "worked": "26:30"}, set()),
        ("12-na-words/none_class.xlsx", 2, {"label": "None"}, set()),
    ],
)
def test_the_examples(messy: Path, file: str, columns: int, first: dict[str, str], keys: set[str]) -> None:
    table = read_table(messy / file)
    assert (len(table.columns), len(table.rows)) == (columns, 60)
    assert {name: table.rows[0][name] for name in first} == first
    assert keys <= set(told(table))
    assert guess_roles(table).targets


def test_the_example_of_formulas(messy: Path) -> None:
    with pytest.raises(TaskFileError, match="formulas without a stored result"):
        read_table(messy / "06-excel-formulas/formulas.xlsx")
