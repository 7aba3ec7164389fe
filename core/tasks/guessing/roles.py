"""Which columns are inputs, which the answer: scored from names, places and values, with reasons and the runner-up.

Where two columns come close, `RoleGuess.other` is the second reading: a question for whoever knows the file.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from core.base.errors import TaskFileError
from core.tasks.cell_text import MARKS
from core.tasks.guessing.candidates import NAMED, can_answer, input_word_score, score_candidates, target_word_score
from core.tasks.guessing.close_kinds import KindReading, best_marks, find_close_kind
from core.tasks.guessing.flags import find_flags, flag_kind
from core.tasks.guessing.inputs import Reasons, guess_inputs
from core.tasks.guessing.kinds import are_tagged, guess_kind, guess_metric
from core.tasks.guessing.profile import ColumnProfile, profile_columns
from core.tasks.reading.column_words import GROUP_WORDS, SPLIT_WORDS, WEIGHT_WORDS
from core.tasks.reading.split_words import says_split, split_of_word
from core.tasks.reading.table import Table

# A lead of so many points is sure. The last place alone is worth 3, so it never decides in silence.
CLOSE = 3.25
NAMED_CLOSE = 6.5  # ... where the other column's name says answer too
_PAIRS: tuple[set[str], ...] = (
    {"intent", "slots"},
    {"intent", "slot"},
    {"intent", "entities"},
    {"intents", "slots"},
    {"意图", "槽位"},
)


@dataclass(frozen=True)
class RoleReading:
    """One way to take the columns, with the share of the evidence (0 to 1) that speaks for it."""

    inputs: tuple[str, ...]
    targets: tuple[str, ...]
    score: float


@dataclass(frozen=True)
class RoleGuess:
    """`reasons` are (message key, values), worded by core/messages and app/texts.

    `split_column` says train or test itself, `group_column` names what rows belong to (a patient, a conversation),
    `weight_column` how much a row counts; all three are only offered, never used unasked. `label_marks` is how
    several labels of one cell are parted. `other` is the second reading where two come close, `close` the second
    kind.
    """

    inputs: tuple[str, ...]
    targets: tuple[str, ...]
    kind: str
    metric: str
    reasons: tuple[tuple[str, dict[str, str]], ...] = field(default=())
    split_column: str = ""
    group_column: str = ""
    weight_column: str = ""
    label_marks: str = MARKS
    score: float = 1.0
    other: RoleReading | None = None
    close: KindReading | None = None


def guess_roles(
    table: Table,
    inputs: tuple[str, ...] | None = None,
    targets: tuple[str, ...] | None = None,
    kind: str | None = None,
) -> RoleGuess:
    """Guesses what was not given by hand: roles, kind, metric, how labels are parted.

    Raises:
        TaskFileError: fewer than two columns that could serve, or a column asked for that is not there.
    """
    by_form = inputs is None and targets is None and bool(table.targets)
    inputs, targets = (table.inputs, table.targets) if by_form else (inputs, targets)
    require_columns(table, (*(inputs or ()), *(targets or ())))
    profiles = profile_columns(table)
    by_name = {p.name: p for p in profiles}
    reasons: Reasons = []
    score, other = 1.0, None
    if by_form:
        reasons.append(("guess.form", {"column": ", ".join(table.targets)}))
    if targets is None:
        targets, score, other = _guess_answers(profiles, inputs or (), table, reasons)
    if inputs is None:
        inputs = guess_inputs(profiles, targets, reasons)
    else:
        other = other and RoleReading(inputs, other.targets, other.score)
    if not inputs:
        raise TaskFileError("file.no_input_column", file=table.name, columns=", ".join(table.columns))
    read = [by_name[n] for n in inputs]
    guessed, answers = guess_kind(read, [by_name[n] for n in targets], table)
    own_kind, own_marks = flag_kind(targets, table)
    close = None if by_form or kind else find_close_kind(guessed, answers)
    kind = kind or own_kind or guessed
    reasons.append((f"guess.kind_{kind}", {}))
    if kind == "generation" and are_tagged(answers):
        reasons.append(("guess.tagged", {"column": ", ".join(targets)}))
    metric = guess_metric(kind, read, answers)
    offered = _offered([p for p in profiles if p.name not in (*inputs, *targets)], reasons)
    marks = own_marks or (best_marks(answers) if kind == "multilabel" else answers.marks or MARKS)
    return RoleGuess(inputs, targets, kind, metric, tuple(reasons), *offered, marks, score, other, close)


def require_columns(table: Table, names: tuple[str, ...]) -> None:
    for name in names:
        if name not in table.columns:
            raise TaskFileError("file.no_column", file=table.name, column=name, known=", ".join(table.columns))


def _guess_targets(
    profiles: list[ColumnProfile], inputs: tuple[str, ...], table: Table, reasons: Reasons
) -> tuple[tuple[str, ...], float, RoleReading | None]:
    """The answer columns, how sure that is (0 to 1), and the second reading where two come close."""
    scored = [(s, p) for s, p in score_candidates(profiles) if p.name not in inputs]
    readable = [p for p in profiles if not p.is_numbering or p.name in inputs]
    if not scored or len(table.columns) < 2 or (len(readable) < 2 and not _has_answer(scored, readable)):
        return _guess_codes(scored, readable, table, reasons)
    lead, best = scored[0]
    # The name of a class is worth more to a language model than its number.
    same = next((p for s, p in scored if p is not best and _names_the_codes(p, best)), None)
    if same is not None:
        reasons.append(("guess.named_codes", {"column": same.name, "other": best.name}))
        best = same
    reasons.append(_why_target(best))
    partner = _partner(best, [p for _, p in scored])
    targets = tuple(p.name for p in profiles if p in (best, partner))
    if partner is not None:
        reasons.append(("guess.target_pair", {"column": targets[0], "other": targets[1]}))
    others = [(s, p) for s, p in scored if p.name not in targets and can_answer(p, profiles)]
    rivals = [(s, p) for s, p in others if not _says_the_same(p, best) and not _is_about_splits(p)]
    score, second = _second(lead, rivals)
    # No rival by points, yet a text can hardly be written from a code alone: so it is asked.
    if second is None and _is_text_of_codes(best, rivals):
        score, second = 0.6, rivals[0][1]
    if second is None:
        return targets, score, None
    other = RoleReading(guess_inputs(profiles, (second.name,), []), (second.name,), round(1 - score, 3))
    return targets, score, other


def _guess_answers(
    profiles: list[ColumnProfile], inputs: tuple[str, ...], table: Table, reasons: Reasons
) -> tuple[tuple[str, ...], float, RoleReading | None]:
    """As `_guess_targets`, but that several columns may be the labels themselves."""
    flags, are_sure = find_flags(profiles, table) if not inputs else ((), False)
    if not flags:
        return _guess_targets(profiles, inputs, table, reasons)
    said = ("guess.label_columns", {"columns": ", ".join(flags)})
    if are_sure:
        reasons.append(said)
        return flags, 1.0, None
    alone: Reasons = []
    targets, score, other = _guess_targets(profiles, inputs, table, alone)
    if set(targets) <= set(flags):
        reasons.append(said)
        return flags, 0.6, RoleReading(guess_inputs(profiles, targets, []), targets, 0.4)
    reasons += alone
    return targets, score, other or RoleReading(guess_inputs(profiles, flags, []), flags, round(1 - score, 3))


def _second(lead: float, rivals: list[tuple[float, ColumnProfile]]) -> tuple[float, ColumnProfile | None]:
    """How sure the lead is, and the rival that is close: by points, or because its name says answer too."""
    if not rivals:
        return 1.0, None
    points, rival = rivals[0]
    sure = round(1 / (1 + math.exp((points - lead) / 2)), 3)
    if lead - points < CLOSE:
        return sure, rival
    return sure, next((p for s, p in rivals if _claims_to_answer(p) and lead - s < NAMED_CLOSE), None)


def _claims_to_answer(p: ColumnProfile) -> bool:
    return target_word_score(p) > NAMED > input_word_score(p)


def _guess_codes(
    scored: list[tuple[float, ColumnProfile]], readable: list[ColumnProfile], table: Table, reasons: Reasons
) -> tuple[tuple[str, ...], float, RoleReading | None]:
    """One column of codes (part numbers, phone numbers) beside the one to read; none that numbers the rows.

    Raises:
        TaskFileError: there is no such pair.
    """
    codes = [p for _, p in scored if p not in readable and not p.is_constant and p.filled > 0.5]
    if len(codes) != 1 or len(readable) != 1 or not readable[0].typical_words or codes[0].numbers_rows:
        raise TaskFileError("file.one_column", file=table.name, columns=", ".join(table.columns))
    answer, read = codes[0].name, readable[0].name
    reasons.append(("guess.target_only", {"column": answer}))
    return (answer,), 0.6, RoleReading((answer,), (read,), 0.4)


def _is_text_of_codes(best: ColumnProfile, rivals: list[tuple[float, ColumnProfile]]) -> bool:
    """A text that would be written from a code alone: perhaps the code is to be found for the text."""
    if len(rivals) != 1 or target_word_score(best) >= NAMED or best.typical_words < 2:
        return False
    code = rivals[0][1]
    some = code.texts[:100]
    return code.spaced < 0.1 and sum(any(c.isdigit() for c in text) for text in some) > 0.5 * len(some)


def _has_answer(scored: list[tuple[float, ColumnProfile]], readable: list[ColumnProfile]) -> bool:
    """One readable column is enough where the other stands in it, or its name says that it is the answer."""
    lead, best = scored[0]
    return bool(readable) and best not in readable and lead > 0


def _says_the_same(p: ColumnProfile, best: ColumnProfile) -> bool:
    """Two columns whose values come in fixed pairs, such as the number and the name of a class."""
    if not (p.is_repeated and best.is_repeated) or p.num_distinct != best.num_distinct:
        return False
    return len(p.texts) == len(best.texts) and len(set(zip(p.texts, best.texts, strict=True))) == p.num_distinct


def _names_the_codes(p: ColumnProfile, best: ColumnProfile) -> bool:
    return best.numeric > 0.9 > p.numeric and not p.is_side and _says_the_same(p, best)


def _says_split(p: ColumnProfile) -> bool:
    """Most of its rows say train, validation or test, and few words come besides."""
    return says_split(Counter(p.texts))


def _is_about_splits(p: ColumnProfile) -> bool:
    """Most of its values are such words, others perhaps unknown ones."""
    known = sum(1 for t in p.texts if split_of_word(t))
    return known > 0.5 * len(p.texts) or (known > 0 and bool(set(p.words) & SPLIT_WORDS))


def _names_group(p: ColumnProfile) -> bool:
    """An id or a title that several rows share, such as a document's."""
    repeated = 0.01 < p.distinct < 0.7 and p.num_distinct >= 10
    return repeated and p.filled > 0.95 and bool(set(p.words) & GROUP_WORDS) and p.typical_words <= 12


def _names_weight(p: ColumnProfile) -> bool:
    """A number of 0 or more for every row, under a name that says how much the row counts."""
    positive = p.numeric > 0.98 and not any(t.startswith("-") for t in p.texts)
    return positive and p.filled > 0.95 and p.num_distinct > 1 and bool(set(p.words) & WEIGHT_WORDS)


# (reason, whether it holds); the first that holds says why a column is taken for the answer
_WHY_TARGET: tuple[tuple[str, Callable[[ColumnProfile], bool]], ...] = (
    ("guess.target_name", lambda p: target_word_score(p) > 0),
    ("guess.target_repeated", lambda p: p.is_repeated),
    ("guess.target_last", lambda p: True),
)
# (reason, whether it holds): what a column that is neither read nor answered may serve for; one column serves once
_OFFERS: tuple[tuple[str, Callable[[ColumnProfile], bool]], ...] = (
    ("guess.split_column", _says_split),
    ("guess.group_column", _names_group),
    ("guess.weight_column", _names_weight),
)


def _why_target(p: ColumnProfile) -> tuple[str, dict[str, str]]:
    reason = next(reason for reason, holds in _WHY_TARGET if holds(p))
    counted = {"values": str(p.num_distinct)} if reason == "guess.target_repeated" else {}
    return reason, {"column": p.name, **counted}


def _offered(rest: list[ColumnProfile], reasons: Reasons) -> tuple[str, str, str]:
    """Columns that say train or test, what rows belong to, how much a row counts; '' where there is none."""
    found: list[str] = []
    for reason, holds in _OFFERS:
        found.append(next((p.name for p in rest if p.name not in found and holds(p)), ""))
        if found[-1]:
            reasons.append((reason, {"column": found[-1]}))
    split, group, weight = found
    return split, group, weight


def _partner(best: ColumnProfile, candidates: list[ColumnProfile]) -> ColumnProfile | None:
    """An intent beside its slots (or a label beside its entities): answered together."""
    for pair in _PAIRS:
        own = pair & set(best.words)
        for other in candidates:
            if own and other is not best and (pair - own) & set(other.words):
                return other
    return None
