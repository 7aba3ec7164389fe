"""Which columns are inputs, which the answer: guessed from names, positions and values, with reasons."""

from __future__ import annotations

from dataclasses import dataclass, field

from core.base.errors import TaskFileError
from core.tasks.guessing.kinds import guess_kind, guess_metric
from core.tasks.guessing.profile import ColumnProfile, profile_columns
from core.tasks.reading.column_words import (
    ASKING_WORDS,
    ATTRIBUTE_WORDS,
    GROUP_WORDS,
    INPUT_WORDS,
    TARGET_WORDS,
    WEIGHT_WORDS,
)
from core.tasks.reading.split_words import SPLIT_NAMES
from core.tasks.reading.table import Table

_LAST_COLUMN = 3.0
_REPEATED = 2.5
_LONG_TEXT = -1.5
_QUESTION_LAST = 6.0
_PAIRS: tuple[set[str], ...] = (
    {"intent", "slots"},
    {"intent", "slot"},
    {"intent", "entities"},
    {"intents", "slots"},
    {"意图", "槽位"},
)
_RUNNING_TEXT = 12.0  # words


@dataclass(frozen=True)
class RoleGuess:
    """`reasons` are (message key, values), worded in assets/locales.

    `split_column` says train or test itself, `group_column` names what rows belong to (a patient, a conversation),
    `weight_column` how much a row counts; all three are only offered, never used unasked.
    """

    inputs: tuple[str, ...]
    targets: tuple[str, ...]
    kind: str
    metric: str
    reasons: tuple[tuple[str, dict[str, str]], ...] = field(default=())
    split_column: str = ""
    group_column: str = ""
    weight_column: str = ""


def guess_roles(
    table: Table, inputs: tuple[str, ...] | None = None, targets: tuple[str, ...] | None = None
) -> RoleGuess:
    """Guesses what was not given by hand.

    Raises:
        TaskFileError: fewer than two columns that could serve, or a column asked for that is not there.
    """
    require_columns(table, (*(inputs or ()), *(targets or ())))
    profiles = profile_columns(table)
    by_name = {p.name: p for p in profiles}
    reasons: list[tuple[str, dict[str, str]]] = []
    if targets is None:
        targets = _guess_targets([p for p in profiles if p.name not in (inputs or ())], table, reasons)
    if inputs is None:
        inputs = _guess_inputs(profiles, targets, reasons)
    if not inputs:
        raise TaskFileError("file.no_input_column", file=table.name, columns=", ".join(table.columns))
    kind = guess_kind([by_name[n] for n in inputs], [by_name[n] for n in targets], table)
    reasons.append((f"guess.kind_{kind}", {}))
    metric = guess_metric(kind, [by_name[n] for n in inputs], [by_name[n] for n in targets])
    roles = (*inputs, *targets)
    split = next((p.name for p in profiles if p.name not in roles and _says_split(p)), "")
    group = next((p.name for p in profiles if p.name not in (*roles, split) and _names_group(p)), "")
    reasons += [("guess.split_column", {"column": split})] if split else []
    reasons += [("guess.group_column", {"column": group})] if group else []
    weight = next((p.name for p in profiles if p.name not in (*roles, split, group) and _names_weight(p)), "")
    reasons += [("guess.weight_column", {"column": weight})] if weight else []
    return RoleGuess(tuple(inputs), tuple(targets), kind, metric, tuple(reasons), split, group, weight)


def _says_split(p: ColumnProfile) -> bool:
    """All its values are words for train, validation or test."""
    return p.num_distinct >= 2 and all(t.strip().lower() in SPLIT_NAMES for t in set(p.texts))


def _names_group(p: ColumnProfile) -> bool:
    """An id or a title that several rows share, such as a document's."""
    repeated = 0.01 < p.distinct < 0.7 and p.num_distinct >= 10
    return repeated and p.filled > 0.95 and bool(set(p.words) & GROUP_WORDS) and p.typical_words <= 12


def _names_weight(p: ColumnProfile) -> bool:
    """A number of 0 or more for every row, under a name that says how much the row counts."""
    positive = p.numeric > 0.98 and not any(t.startswith("-") for t in p.texts)
    return positive and p.filled > 0.95 and p.num_distinct > 1 and bool(set(p.words) & WEIGHT_WORDS)


def require_columns(table: Table, names: tuple[str, ...]) -> None:
    for name in names:
        if name not in table.columns:
            raise TaskFileError("file.no_column", file=table.name, column=name, known=", ".join(table.columns))


def _guess_targets(
    profiles: list[ColumnProfile], table: Table, reasons: list[tuple[str, dict[str, str]]]
) -> tuple[str, ...]:
    filled = [p for p in profiles if p.filled >= 0.5]
    usable = [p for p in filled if not p.is_constant] or filled
    candidates = (
        [p for p in usable if not _is_identifier(p) and not p.is_side and not _tells_of_another(p, profiles)]
        or [p for p in filled if not _is_identifier(p)]
        or usable
    )
    if not candidates or len(table.columns) < 2:
        raise TaskFileError("file.one_column", file=table.name, columns=", ".join(table.columns))
    last = candidates[-1]
    scores = {p.name: target_score(p, p is last) for p in candidates}
    if _asks_after_answer(last, candidates):
        scores[last.name] += _QUESTION_LAST
    best = max(candidates, key=lambda p: (scores[p.name], p is last))
    if target_word_score(best) > 0:
        reasons.append(("guess.target_name", {"column": best.name}))
    elif best.is_repeated:
        reasons.append(("guess.target_repeated", {"column": best.name, "values": str(best.num_distinct)}))
    else:
        reasons.append(("guess.target_last", {"column": best.name}))
    partner = _partner(best, candidates)
    if partner is None:
        return (best.name,)
    pair = tuple(p.name for p in candidates if p in (best, partner))
    reasons.append(("guess.target_pair", {"column": pair[0], "other": pair[1]}))
    return pair


def _tells_of_another(p: ColumnProfile, profiles: list[ColumnProfile]) -> bool:
    """'answer_type' beside 'answer' describes that column; it is neither an answer of its own nor an input."""
    return any(o.words and len(p.words) > len(o.words) and p.words[: len(o.words)] == o.words for o in profiles)


def _asks_after_answer(last: ColumnProfile, candidates: list[ColumnProfile]) -> bool:
    """text, answer, question in this order: the question is to be written."""
    answers = [p for p in candidates if p is not last and {"answer", "答案", "回答"} & set(p.words)]
    return bool(answers) and bool(ASKING_WORDS & set(last.words)) and not last.is_repeated


def _is_identifier(p: ColumnProfile) -> bool:
    return p.is_identifier and target_word_score(p) < 3


def target_score(p: ColumnProfile, is_last: bool) -> float:
    score = target_word_score(p) - 0.8 * input_word_score(p)
    score += _LAST_COLUMN if is_last else 0.0
    score += _REPEATED if p.is_repeated else 0.0
    if p.typical_words > 40:
        score += _LONG_TEXT
    return score + (-2.0 if p.filled < 0.8 else 0.0)


def target_word_score(p: ColumnProfile) -> float:
    """Best target word of the name; a qualified one (answer_type, answer_from) speaks of the answer, not as it."""
    best = max((TARGET_WORDS.get(w, 0.0) for w in p.words), default=0.0)
    if len(p.words) > 1 and p.words[-1] in ATTRIBUTE_WORDS and p.words[0] in TARGET_WORDS:
        return best - 6.0
    return best - 3.0 if p.words[:1] == ("long",) else best


def input_word_score(p: ColumnProfile) -> float:
    if len(p.words) > 1 and TARGET_WORDS.get(p.words[0], 0.0) >= 4:  # answers.text is the answer
        return 0.0
    return max((INPUT_WORDS.get(w, 0.0) for w in p.words), default=0.0)


def _partner(best: ColumnProfile, candidates: list[ColumnProfile]) -> ColumnProfile | None:
    """An intent beside its slots (or a label beside its entities): answered together."""
    for pair in _PAIRS:
        own = pair & set(best.words)
        for other in candidates:
            if own and other is not best and (pair - own) & set(other.words):
                return other
    return None


def _guess_inputs(
    profiles: list[ColumnProfile], targets: tuple[str, ...], reasons: list[tuple[str, dict[str, str]]]
) -> tuple[str, ...]:
    chosen: list[ColumnProfile] = []
    target_profiles = [p for p in profiles if p.name in targets]
    asks = any(set(p.words) & ASKING_WORDS for p in target_profiles)
    left_out: list[tuple[str, ColumnProfile]] = []
    for p in profiles:
        if p.name in targets:
            continue
        why = "guess.other_answer" if _tells_of_another(p, target_profiles) else _why_not_input(p, asks)
        if why:
            left_out.append((why, p))
        else:
            chosen.append(p)
    if not any(p.typical_words >= _RUNNING_TEXT or input_word_score(p) >= 3 for p in chosen):
        # Nothing to read so far: then the text named like an answer is what the label is about.
        long = [p for why, p in left_out if why == "guess.other_answer" and p.typical_words >= _RUNNING_TEXT]
        chosen = [p for p in profiles if p in chosen or p in long[:1]]
    reasons += [(why, {"column": p.name}) for why, p in left_out if p not in chosen]
    kept = [p for p in chosen if asks or not _is_part_of_another(p, chosen)]
    reasons += [("guess.part_of_other", {"column": p.name}) for p in chosen if p not in kept]
    if not kept:
        spare = [p for p in profiles if p.name not in targets and not p.is_constant and not p.is_identifier]
        kept = spare[:1] or [p for p in profiles if p.name not in targets][:1]
    return tuple(p.name for p in kept)


def _why_not_input(p: ColumnProfile, asks: bool) -> str | None:
    wanted = input_word_score(p) >= 3
    if p.filled < 0.05 or p.is_constant:
        return "guess.constant"
    if p.is_identifier and not wanted:
        return "guess.identifier"
    if p.is_side and not wanted:
        return "guess.side"
    named_target = target_word_score(p) >= 3 or (p.words[:1] in (("answer",), ("long",), ("label",)))
    if named_target and not wanted and not asks:
        return "guess.other_answer"
    if p.is_repeated and not wanted:
        return "guess.repeated"
    return None


def _is_part_of_another(p: ColumnProfile, chosen: list[ColumnProfile]) -> bool:
    """A short column whose text stands inside a longer one tells nothing new ('focus' inside 'question')."""
    if input_word_score(p) >= 3 or p.filled < 0.98:
        return False
    for other in chosen:
        if other is p or len(other.texts) != len(p.texts) or other.typical_chars <= p.typical_chars:
            continue
        inside = sum(1 for a, b in zip(p.texts, other.texts, strict=True) if a.lower() in b.lower())
        if inside >= 0.95 * len(p.texts):
            return True
    return False
