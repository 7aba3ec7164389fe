"""Every staged run gets the one right verdict, in words of both languages, and the rules keep their laws."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from core.base.files import read_json, write_json_atomic
from core.evaluation.intervals import Difference, Score
from core.evaluation.symptoms import Symptoms
from core.insight.results import TaskResult, read_scores
from core.insight.verdict_rules import BROKEN, READY, RULES, STEPS, VERDICTS, Facts
from core.insight.verdicts import describe_verdicts, judge, read_verdicts
from core.messages import MESSAGES, Sentence, word
from tests.staged_runs import Stage, stages, write_stage

STAGES = {stage.name: stage for stage in stages()}


@pytest.mark.parametrize("name", STAGES)
def test_a_staged_run_gets_the_right_verdict(name: str, tmp_path: Path) -> None:
    stage = STAGES[name]
    found = read_verdicts(write_stage(stage, tmp_path / "run"))[0]
    assert (found.verdict, found.rule, found.step) == (stage.verdict, stage.rule, stage.step), found.reason.text
    for language in ("en", "zh"):
        text = word(describe_verdicts([found])[0], language)
        assert name in text
        assert not re.search(r"\{|\bnan\b|None", text), text


def test_every_rule_is_reached_by_a_stage() -> None:
    reached = {stage.rule for stage in STAGES.values()} | {"not_measured"}
    assert reached == {rule.name for rule in RULES}


def test_every_rule_verdict_and_step_is_worded() -> None:
    keys = [f"verdict.{v}" for v in VERDICTS] + [f"reason.{rule.name}" for rule in RULES]
    keys += [f"step.{step}" for step in STEPS]
    assert [key for key in keys if key not in MESSAGES] == []
    assert RULES[-1].applies(facts())  # the last rule leaves nobody without a verdict


def facts(**changes: object) -> Facts:
    """A good task: 200 rows, 95 right of 100, 60 points above the best guess."""
    values: dict[str, object] = {
        "index": 0,
        "task": "t",
        "metric": "accuracy",
        "tuned": Score(0.95, 0.91, 0.97, 200),
        "guesses": {"most_frequent": Score(0.35, 0.29, 0.42, 200)},
        "best_guess": "most_frequent",
        "gain": Difference(0.6, 0.52, 0.67, 1e-9, 200),
        "symptoms": Symptoms(400, "a", 0.3, 0.3, 0.35, 4),
    }
    return Facts(TaskResult(**{**values, **changes}))  # type: ignore[arg-type]


def symptoms(**changes: object) -> Symptoms:
    return replace(Symptoms(400, "a", 0.3, 0.3, 0.35, 4), **changes)  # type: ignore[arg-type]


def test_a_good_task_is_ready_whatever_its_practice_rows_look_like() -> None:
    assert judge(facts()).verdict == READY
    for spoilt in (symptoms(cut_questions=0.9), symptoms(contradicting=0.9), symptoms(practice=5)):
        assert judge(facts(symptoms=spoilt)).verdict == READY


@pytest.mark.parametrize("n", range(1, 20))
def test_below_twenty_exam_rows_nothing_is_ready_or_promising(n: int) -> None:
    perfect = facts(tuned=Score(1.0, 0.9, 1.0, n), gain=Difference(1.0, 0.9, 1.0, 1e-9, n))
    assert judge(perfect).rule == "exam_small"


def test_a_score_that_is_high_but_not_surely_above_guessing_is_not_ready() -> None:
    unsure = facts(gain=Difference(0.02, -0.01, 0.05, 0.2, 200))
    assert judge(unsure).rule == "may_be_chance"


def test_a_green_gain_against_a_silent_model_does_not_hide_a_collapse() -> None:
    """The task of trust.md: 46 of 50 answers are one label, 22 % right where that label is right in 26 %."""
    seen = facts(
        tuned=Score(0.22, 0.13, 0.35, 50),
        base=Score(0.0, 0.0, 0.07, 50),
        difference=Difference(0.22, 0.1, 0.35, 0.001, 50),
        guesses={"most_frequent": Score(0.26, 0.16, 0.4, 50)},
        gain=Difference(-0.04, -0.12, 0.04, 0.5, 50),
        symptoms=Symptoms(400, "yes", 0.92, 0.26, 0.26, 4),
    )
    found = judge(seen)
    assert (found.verdict, found.rule) == (BROKEN, "collapsed")
    assert found.reason.text == "92 % of its answers are “yes”, which is right in only 26 % of the exam rows."


def test_a_score_that_is_the_share_of_one_answer_is_no_score_of_the_others() -> None:
    """A stranger's triage: 57 of 60 exam rows are routine, and all 60 answers."""
    seen = facts(
        tuned=Score(0.95, 0.86, 0.98, 60),
        guesses={"most_frequent": Score(0.95, 0.86, 0.98, 60)},
        gain=Difference(0.0, 0.0, 0.0, 1.0, 60),
        symptoms=Symptoms(140, "routine", 1.0, 0.95, 0.95, 2, others=3, unchanged=1.0),
    )
    found = judge(seen)
    assert (found.verdict, found.rule, found.step) == (BROKEN, "misses_rare", "more_rows")
    assert "finds 0 of the 3 exam rows" in found.reason.text
    assert judge(replace(seen, passes=1.2)).step == "train_longer"
    found_some = replace(seen.symptoms, others_right=2, top_share=0.96, unchanged=0.5)
    assert judge(replace(seen, score=replace(seen.score, symptoms=found_some))).rule == "one_answer"


def test_where_the_guess_leaves_no_room_more_rows_are_not_asked_for() -> None:
    full = {"nearest": Score(1.0, 0.91, 1.0, 42)}
    perfect = {"tuned": Score(1.0, 0.91, 1.0, 42), "gain": Difference(0.0, -0.08, 0.08, 1.0, 42)}
    seen = facts(guesses=full, best_guess="nearest", symptoms=symptoms(unchanged=1.0), **perfect)
    assert (judge(seen).rule, judge(seen).step) == ("guess_as_good", "try_it")
    room = {"nearest": Score(0.85, 0.71, 0.93, 42)}  # six rows left: a perfect model would be surely better
    assert judge(facts(guesses=room, best_guess="nearest", **perfect)).rule == "may_be_chance"


def test_after_few_passes_longer_training_is_tried_before_rows_are_asked_for(tmp_path: Path) -> None:
    run_dir = write_stage(STAGES["noisy gain"], tmp_path / "run")
    assert read_verdicts(run_dir)[0].step == "more_rows"
    event = {"id": 1, "time": 1.0, "kind": "loss", "step": 40, "loss": 1.0}
    (run_dir / "events.jsonl").write_text(json.dumps(event) + "\n", encoding="utf-8")
    assert read_verdicts(run_dir)[0].step == "train_longer"  # 40 steps of 16 for 400 rows


def test_what_training_cannot_mend_goes_before_what_a_broken_model_does() -> None:
    hidden = Symptoms(400, "yes", 0.92, 0.26, 0.26, 4, unseen=0.42, unseen_labels=("refund",))
    seen = facts(gain=Difference(-0.04, -0.12, 0.04, 0.5, 200), symptoms=hidden)
    found = judge(seen)
    assert (found.verdict, found.rule, found.step) == (BROKEN, "collapsed", "fix_data")
    assert found.reason.text.startswith(
        "42 % of the exam rows ask for an answer that no practice row shows (refund)."
    )
    assert "92 % of its answers" in found.reason.text


def test_reasons_name_the_best_guess_in_both_languages() -> None:
    said = judge(facts()).reason
    assert "60.0 points above the best guess (always answering “”)" in said.text
    assert "最好的猜法（总是回答“”）" in word(said, "zh")
    assert word(Sentence("guesswork.nearest"), "zh") in word(
        Sentence("reason.below_guess", {"guess": Sentence("guesswork.nearest")}), "zh"
    )


def test_results_of_an_older_version_are_judged_from_their_data_or_not_at_all(tmp_path: Path) -> None:
    run_dir = write_stage(STAGES["good"], tmp_path / "run")
    results = read_json(run_dir / "results.json")
    for record in results["tasks"]:
        for name in ("guesses", "best_guess", "most_frequent", "gain", "symptoms"):
            del record[name]
    write_json_atomic(run_dir / "results.json", results | {"version": 1})
    assert read_verdicts(run_dir)[0].rule == "ready"
    bare = tmp_path / "bare"
    bare.mkdir()
    for name in ("run.json", "results.json"):
        (bare / name).write_bytes((run_dir / name).read_bytes())
    score = read_scores(bare)[0]
    assert (score.guesses, score.gain, score.best) == ({}, None, None)
    assert read_verdicts(bare)[0].rule == "not_measured"


def test_a_verdict_of_results_that_did_not_count_the_rare_answers_counts_them(tmp_path: Path) -> None:
    run_dir = write_stage(STAGES["the frequent one"], tmp_path / "run")
    results = read_json(run_dir / "results.json")
    for name in ("others", "others_right"):
        del results["tasks"][0]["symptoms"][name]
    write_json_atomic(run_dir / "results.json", results | {"version": 2})
    assert read_verdicts(run_dir)[0].rule == "misses_rare"


def test_a_verdict_is_json(tmp_path: Path) -> None:
    found = read_verdicts(write_stage(STAGES["collapsed"], tmp_path / "run"))[0].as_dict()
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert set(found) == {"task", "verdict", "rule", "reason", "step"}


def test_a_task_without_an_exam_has_a_verdict_too(tmp_path: Path) -> None:
    stage: Stage = STAGES["no exam"]
    found = read_verdicts(write_stage(stage, tmp_path / "run"))
    assert [v.rule for v in found] == ["no_exam"]


def notices_of(run_dir: Path, *noted: tuple[str, dict[str, object]]) -> str:
    """The rule that judges the run's only task after these notices."""
    events = [
        {"id": i, "time": float(i), "kind": "notice", "key": key, "values": values}
        for i, (key, values) in enumerate(noted, 1)
    ]
    lines = "".join(json.dumps(event) + "\n" for event in events)
    (run_dir / "events.jsonl").write_text(lines, encoding="utf-8")
    return read_verdicts(run_dir)[0].rule


def test_a_pause_does_not_double_the_rows_that_were_cut(tmp_path: Path) -> None:
    """Every resume notes the same rows again, and a newer version by another key."""
    stage = next(stage for stage in stages() if stage.name == "cut")
    run_dir = write_stage(replace(stage, cut=0.0), tmp_path / "r1")
    name = read_json(run_dir / "run.json")["tasks"][0]["name"]
    cut = ("training.rows_cut", {"task": name, "share": 12, "tokens": 96})
    older = ("check.long_rows", {"task": name, "share": 12, "tokens": 96})
    few = round(0.12 * len(stage.practice))
    left_out = ("training.rows_left_out", {"task": name, "count": few, "tokens": 96})
    for noted in ((cut,), (cut, cut, cut), (older, cut), (left_out, left_out)):
        assert notices_of(run_dir, *noted) != "cut"
    assert notices_of(run_dir, cut, left_out) == "cut"  # different rows: 24 % of them
    assert notices_of(run_dir, cut, left_out, cut, left_out) == "cut"
