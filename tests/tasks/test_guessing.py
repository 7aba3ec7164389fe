"""Roles, kind and metric guessed for the real files without a hint, measured against their domain.json."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from core.base.errors import TaskFileError
from core.base.records import from_record
from core.messages.locales import load_texts
from core.tasks.changing.add_task import add_task
from core.tasks.changing.settling import settle_doubt
from core.tasks.guessing.kinds import KINDS, METRICS, kind_from_hint, kind_word
from core.tasks.guessing.questions import role_doubt
from core.tasks.guessing.roles import RoleGuess, guess_roles
from core.tasks.reading.files import read_table
from core.tasks.reading.readings import ReadOptions
from core.tasks.reading.table import Table
from core.tasks.store import read_doubts
from core.workspace import Project
from tests.benchmarks.guess_table import figures, judge_case, measure
from tests.tasks.fresh_cases import FRESH
from tests.tasks.guess_cases import CASES

REQUIRED = 0.97
ROOT = Path(__file__).resolve().parents[2]


def test_two_plain_names_are_a_header(tmp_path: Path) -> None:
    for head, found in (("question,answer", True), ("label,code", True), ("what is 3?,answer", False)):
        path = tmp_path / "t.csv"
        path.write_text(f"{head}\n" + "".join(f"what is {i}?,it is {i}\n" for i in range(12)), encoding="utf-8")
        assert (read_table(path).columns == tuple(head.split(","))) is found


def test_real_files_are_understood_without_hints(shared_tasks: Path) -> None:
    found = measure(shared_tasks)
    print(found.text)
    for name in ("target", "inputs", "kind"):
        assert found.scores[name] >= REQUIRED * found.count
    assert found.scores["encoding"] == found.scores["rows"] == found.count == 30


def table_of(columns: dict[str, Any]) -> Table:
    rows = [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
    return Table("t.csv", "csv", "utf-8", tuple(columns), rows, list(range(2, len(rows) + 2)), [])


def guess_of(columns: dict[str, Any]) -> RoleGuess:
    return guess_roles(table_of(columns))


ALL_CASES = CASES | FRESH


@pytest.mark.parametrize("name", ALL_CASES)
def test_a_wrong_answer_column_is_always_asked_about(name: str) -> None:
    _, guess = judge_case(ALL_CASES[name])
    assert ALL_CASES[name].targets in (guess.targets, guess.other.targets if guess.other else ())


def test_97_of_100_facts_are_right_and_nothing_is_wrong_in_silence(shared_tasks: Path) -> None:
    found = figures(shared_tasks)
    assert found["all"]["share"] >= REQUIRED
    for name, one in found["sets"].items():
        assert one["right"] >= REQUIRED * one["facts"], name
        assert not one.get("silent"), name
    written = json.loads((ROOT / "assets" / "docs" / "guesses.json").read_text(encoding="utf-8"))
    for name in ("real task files", "made tables", "tables made after the rules"):
        assert written["sets"][name] == found["sets"][name], "guess_table.py --json assets/docs/guesses.json"


def test_close_readings_are_a_question_and_named_ones_are_not() -> None:
    close = guess_of({"a": TEXTS, "b": TEXTS[::-1]})
    assert (close.targets, close.other and close.other.targets) == (("b",), ("a",))
    table = table_of({"a": TEXTS, "b": TEXTS[::-1]})
    doubt = role_doubt(table, close)
    assert doubt is not None
    assert (doubt.taken.targets, doubt.other.targets) == (("b",), ("a",))
    assert 0 < doubt.other.score <= doubt.taken.score < 1
    assert guess_of({"question": TEXTS, "answer": TEXTS[::-1]}).other is None
    assert from_record(RoleGuess, json.loads(json.dumps(asdict(close))), "test") == close


def test_rows_that_are_only_numbered_have_no_answer() -> None:
    with pytest.raises(TaskFileError) as caught:
        guess_of({"id": list(range(60)), "text": TEXTS})
    assert caught.value.key == "file.one_column"


def test_choosing_the_other_reading_brings_its_kind_and_metric(project: Project, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    rows = [f"{t},{'ham' if i % 3 else 'spam'},{'Ann' if i % 2 else 'Bob'}" for i, t in enumerate(TEXTS)]
    path.write_text("said,what,who\n" + "\n".join(rows) + "\n", encoding="utf-8")
    spec = add_task(project, path)
    (doubt,) = read_doubts(project, spec.task_id)
    assert {spec.targets, doubt.other.targets} == {("what",), ("who",)}
    chosen = settle_doubt(project, spec.name, doubt, other=True)
    assert chosen.targets == doubt.other.targets
    assert (chosen.kind, chosen.metric) == ("classification", "accuracy")
    assert set(chosen.labels) in ({"ham", "spam"}, {"Ann", "Bob"})
    assert read_doubts(project, spec.task_id) == []


PHRASES = [
    "the lamp is bright",
    "my card was lost",
    "please call me back soon",
    "what is the weather",
    "play some jazz now",
]
TEXTS = [f"{PHRASES[i % 5]} number {chr(97 + i % 26)}{chr(97 + i // 26)}" for i in range(60)]


@pytest.mark.parametrize(
    ("columns", "inputs", "targets", "kind"),
    [
        ({"Label": ["x", "y", "z"] * 20, "Text": TEXTS}, ("Text",), ("Label",), "classification"),
        (
            {"id": list(map(str, range(60))), "说明": TEXTS, "意图": ["查询", "退款"] * 30},
            ("说明",),
            ("意图",),
            "classification",
        ),
        ({"a": TEXTS, "b": ["red", "blue", "green"] * 20}, ("a",), ("b",), "classification"),
        ({"text": TEXTS, "tags": [["p", "q"], ["q"], []] * 20}, ("text",), ("tags",), "multilabel"),
        ({"text": TEXTS, "price": [f"{i * 7919 % 1000}.5" for i in range(60)]}, ("text",), ("price",), "number"),
        (
            {
                "passage": TEXTS,
                "question": [f"who {i}?" for i in range(60)],
                "answer": [t.split()[-1] for t in TEXTS],
            },
            ("passage", "question"),
            ("answer",),
            "question_answering",
        ),
        (
            {
                "id": [f"q{i}" for i in range(60)],
                "context": TEXTS,
                "question": [f"who {i}?" for i in range(60)],
                "answers.text": [[t.split()[-1]] for t in TEXTS],
                "answers.answer_start": [[i] for i in range(60)],
            },
            ("context", "question"),
            ("answers.text",),
            "question_answering",
        ),
        (
            {"instruction": TEXTS, "input": [""] * 30 + TEXTS[:30], "output": TEXTS[::-1]},
            ("instruction", "input"),
            ("output",),
            "generation",
        ),
        (
            {"sentence1": TEXTS, "sentence2": TEXTS[::-1], "idx": list(range(60)), "label": [0, 1, 2] * 20},
            ("sentence1", "sentence2"),
            ("label",),
            "classification",
        ),
        ({"article": TEXTS, "highlights": [t[::-1] for t in TEXTS]}, ("article",), ("highlights",), "generation"),
        (
            {
                "url": [f"http://x/{i}" for i in range(60)],
                "review": TEXTS,
                "stars": ["1", "5", "3"] * 20,
                "split": ["a"] * 60,
            },
            ("review",),
            ("stars",),
            "classification",
        ),
    ],
)
def test_guesses_on_small_tables(
    columns: dict[str, list[Any]], inputs: tuple[str, ...], targets: tuple[str, ...], kind: str
) -> None:
    guess = guess_of(columns)
    assert (guess.inputs, guess.targets, guess.kind) == (inputs, targets, kind)
    assert guess.kind in KINDS
    assert guess.metric in METRICS
    assert guess.reasons


def test_prices_with_a_decimal_comma_are_numbers_and_lists_of_codes_are_not() -> None:
    """'24,05' was taken for the labels 24 and 05."""
    texts = [f"the room {'had' if n % 2 else 'lacked'} a view and cost something {n}" for n in range(120)]
    prices = [f"{10 + n % 40},{n * 7 % 100:02d}" for n in range(120)]
    assert guess_of({"text": texts, "price (€)": prices}).kind == "number"
    given = {
        "note": [f"{n % 10},{n * 7 // 3 % 10}" for n in range(120)],
        "value": [f"{36 + n % 5},{n * 3 // 7 % 10}" for n in range(120)],
        "cost": [f"{1 + n % 60},{('99', '95', '50')[n % 3]}" for n in range(120)],
    }
    for column, cells in given.items():
        numbers = guess_of({"text": texts, column: cells})
        assert numbers.kind == "number", column
        assert numbers.close is None or numbers.close.kind != "multilabel", column  # grades or amounts may be asked
    half = [("0,5", "1", "1,5", "2,5", "3,5", "4,5")[n % 6] for n in range(120)]
    stars = guess_of({"text": texts, "stars": half})
    assert (stars.kind, stars.close and stars.close.kind) == ("classification", "multilabel")


@pytest.mark.parametrize("column", ["labels", "note", "Schlagworte"])
@pytest.mark.parametrize("codes", ["123456", ("11", "12", "13", "14")], ids=["one digit", "two digits"])
def test_codes_in_any_order_are_labels_and_asked_about(column: str, codes: Sequence[str]) -> None:
    """'3,1' was taken for a number without a word."""
    draw = random.Random(5)
    cells = [",".join(draw.sample(codes, draw.randint(1, 2))) for _ in range(120)]
    texts = [f"the room {'had' if n % 2 else 'lacked'} a view and cost something {n}" for n in range(120)]
    guess = guess_of({"text": texts, column: cells})
    assert (guess.kind, guess.label_marks) == ("multilabel", ",")
    assert guess.close is not None
    assert (guess.close.kind, guess.close.about) == ("number", "kind_several")
    sorted_cells = [",".join(sorted(cell.split(","))) for cell in cells]
    known = guess_of({"text": texts, column: [*sorted_cells[:60], "11,12,13", *sorted_cells[61:]]})
    assert (known.kind, known.close) == ("multilabel", None)  # three in one cell are no number


def test_tagged_texts_and_canned_replies_and_dates_are_told() -> None:
    texts = [f"Stop drug{n} for Tom {n}, please." for n in range(60)]
    for form in ("[[DRUG drug{n}]]", "<DRUG>drug{n}</DRUG>", "[DRUG: drug{n}]"):
        tagged = [f"Stop {form.format(n=n)} for Tom {n}, please." for n in range(60)]
        guess = guess_of({"note": texts, "tagged": tagged})
        assert (guess.kind, "guess.tagged" in dict(guess.reasons)) == ("generation", True)
    replies = [f"We will send you the form number {n % 5}." for n in range(60)]
    replied = guess_of({"note": texts, "reply": replies})
    assert "guess.tagged" not in dict(replied.reasons)
    assert (replied.kind, replied.close and replied.close.kind) == ("classification", "generation")
    dated = guess_of({"Complaint / Date": [f"2026-{1 + n % 12:02}-{1 + n % 28:02}" for n in range(60)],
                      "text": texts, "urgency": ["high", "low"] * 30})  # fmt: skip
    assert ("guess.date", {"column": "Complaint / Date"}) in dated.reasons


def test_split_and_group_columns_are_offered() -> None:
    guess = guess_of({
        "patient_id": [f"p{i // 4}" for i in range(60)], "text": TEXTS, "label": ["x", "y"] * 30,
        "part": ["train"] * 40 + ["dev"] * 10 + ["test"] * 10,
    })  # fmt: skip
    assert (guess.inputs, guess.targets) == (("text",), ("label",))
    assert (guess.split_column, guess.group_column) == ("part", "patient_id")
    assert {"guess.split_column", "guess.group_column"} <= {key for key, _ in guess.reasons}
    plain = guess_of({"text": TEXTS, "label": ["x", "y"] * 30})
    assert (plain.split_column, plain.group_column) == ("", "")


def test_given_columns_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b,c\n" + "".join(f"{t},x{i % 3},y{i}\n" for i, t in enumerate(TEXTS)), encoding="utf-8")
    table = read_table(path, ReadOptions())
    guess = guess_roles(table, inputs=("b",), targets=("a",))
    assert (guess.inputs, guess.targets) == (("b",), ("a",))


def test_a_kind_has_one_word_on_screens_and_commands_and_every_spelling_of_it_is_understood() -> None:
    for kind in KINDS:
        assert kind_word(kind) == load_texts("en", "screens")[f"kind.{kind}"]
        for spelling in (kind_word(kind), kind_word(kind).replace(" ", "_"), kind_word(kind).title(), kind):
            assert kind_from_hint(spelling) == kind
