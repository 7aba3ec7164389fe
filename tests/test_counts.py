"""Every English text with a count reads right for none, one and two: never '1 rows', never '2 row is'."""

from __future__ import annotations

import re

import pytest

from core.messages import english
from core.messages.locales import load_pairs, load_texts
from core.messages.plural import counted, fill_text, plural

PAIRS = load_pairs("en", "messages")
TEXTS = {f"{key} {place}": text for key, pair in PAIRS.items() for place, text in enumerate(pair)}
TEXTS |= load_texts("en", "screens") | load_texts("en", "card")
SPECS = re.findall(r"\{(\w+):([^{}|]*)\|([^{}|]*)\}", " ".join(TEXTS.values()))
COUNTS = {name for name, _, _ in SPECS} | {"n", "count", "rows", "total", "all"}
NOUN = re.compile("[a-z]+[^s ]")
SINGULAR = {
    one.split()[0] for _, one, many in SPECS if one and NOUN.fullmatch(one.split()[0]) and many[:2] == one[:2]
}
NO_PLURALS = {word for _, one, _ in SPECS for word in one.split()}  # 'asks', beside words in s that are no verbs
NO_PLURALS |= {
    "best",
    "changes",
    "does",
    "goes",
    "has",
    "less",
    "means",
    "never",
    "pays",
    "s",
    "suspicious",
    "this",
    "without",
}
# A person has read these: a second noun of the same clause, or a number that counts nothing.
RIGHT = {
    "adapter.no_block 0",
    "adapter.no_stage 0",
    "adapter.task_count 0",
    "check.stage2_nothing 0",
    "file.not_an_object 0",
    "file.too_much_text 0",
    "form.alternating 0",
    "form.category_flags 0",
    "form.instruction 0",
    "form.label_studio_several 0",
    "form.no_text_parts 0",
    "form.ranked 0",
    "form.tagged_tokens 0",
    "health.alike_labels 0",
    "health.few_rows 1",
    "health.uneven_labels 0",
    "meaning.stage",
    "model.missing_shards 0",
    "model.missing_tensors 0",
    "plan.fact_stage",
    "plan.fact_tasks",
    "quota.minutes 0",
    "says.abstaining 0",
    "says.evidence_few 0",
    "serving.long_message 0",
    "serving.worker_silent 0",
    "skills.head_help",
    "skills.layer_help",
    "skills.near_note_pull",
    "skills.view_groups",
    "tasks.counted",
    "tasks.named",
    "training.time_limit 0",
    "what_if.note",
}


class Everywhere(dict[str, object]):
    """One number for every value of a text that is a count, here or in another text; 1.5 for all others."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.n = n

    def __missing__(self, name: str) -> object:
        return self.n if name in COUNTS else 1.5


def faults(n: int, text: str) -> list[str]:
    """Words soon after a number that another number would want."""
    filled = fill_text(text, Everywhere(n))
    clauses = [c.split()[:4] for c in re.findall(rf"(?<![\w.,%/-]){n}((?: [a-zA-Z'-]+)+)", filled)]
    if n == 1:
        plurals = [w for c in clauses for w in c[:3] if w.endswith("s") and w not in NO_PLURALS]
        return plurals + [w for c in clauses for w in c if w in ("are", "were", "have")]
    return [w for c in clauses for w in c[:3] if w in SINGULAR or w in ("is", "was", "has")]


@pytest.mark.parametrize("n", [0, 1, 2])
def test_a_number_and_the_words_after_it_agree(n: int) -> None:
    wrong = {key: found for key, text in TEXTS.items() if key not in RIGHT and (found := faults(n, text))}
    shown = {key: fill_text(TEXTS[key], Everywhere(n)) for key in wrong}
    assert not wrong, f"write {{count}} {{count:row is|rows are}}: {shown}"


@pytest.mark.parametrize(
    ("n", "text"),
    [
        (1, "{count} rows repeat."),
        (1, "{count} practice {count:row|rows} are cut."),
        (2, "{count} row repeats."),
        (2, "{count} {count:row|rows} is cut."),
        (0, "There are {n} task."),
    ],
)
def test_a_text_that_reads_wrong_is_found(n: int, text: str) -> None:
    assert faults(n, text)


def test_who_is_excused_still_stands_there() -> None:
    assert set(TEXTS) >= RIGHT
    assert not {key for key in RIGHT if not any(faults(n, TEXTS[key]) for n in (0, 1, 2))}


def test_one_is_one_however_it_is_written() -> None:
    said = [
        fill_text("{n} {n:row has|rows have} {x!r}", {"n": n, "x": "a"}) for n in (0, 1, 2, "1", "1,000", "1.0")
    ]
    assert said[:3] == ["0 rows have 'a'", "1 row has 'a'", "2 rows have 'a'"]
    assert said[3:] == ["1 row has 'a'", "1,000 rows have 'a'", "1.0 rows have 'a'"]
    assert (counted(1, "row|rows"), counted(3, "row|rows"), plural("1", "is|are")) == ("1 row", "3 rows", "is")
    assert fill_text("{n:One|All {n}} of it", {"n": 4}) == "All 4 of it"
    with pytest.raises(KeyError):
        fill_text("{n} {m:a|b}", {"n": 1})


def test_health_counts_one_row_as_one_and_says_that_rows_near_the_exam_may_be_check_rows() -> None:
    assert english("health.few_rows", {"count": 1, "bound": 20})[0] == "There is only 1 row to practise on."
    text, hint = english("health.near_leaks", {"count": 1, "one": "a", "other": "b"})
    assert text.startswith("1 row for practice or check is nearly the same as a row of the final exam")
    assert "both" in hint
