"""The settings of a next run: long texts get a limit that fits, training is doubled, and no bound is passed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from core.insight.next_step import MOST_TOKENS, next_settings
from core.insight.verdict_rules import STEPS
from tests.staged_runs import stages, write_stage
from tests.tiny_models import CONTEXT, build_tiny_llama

STAGES = {stage.name: stage for stage in stages()}


def run_of(tmp_path: Path, words: int = 10, **settings: object) -> Path:
    """A staged run whose questions have so many words, with these settings."""
    stage = STAGES["cut"]
    longer = [(f"{text} " + "word " * words, label) for text, label in stage.practice[:40]]
    run_dir = write_stage(replace(stage, practice=longer, exam=longer[:30]), tmp_path / "run")
    text = "".join(f"{name}: {value}\n" for name, value in settings.items())
    (run_dir / "config.yaml").write_text(text, encoding="utf-8")
    return run_dir


def test_the_limit_is_doubled_until_the_rows_fit(tmp_path: Path) -> None:
    model = build_tiny_llama(tmp_path / "model")
    run_dir = run_of(tmp_path, words=60, base_model=model, max_tokens=32)
    # "word " is at most five tokens of a byte-level tokenizer: 60 of them need more than 64 and less than 512
    limit = next_settings(run_dir, "cut", "allow_longer")["max_tokens"]
    assert 64 < limit <= CONTEXT


def test_no_limit_beyond_what_the_base_model_reads(tmp_path: Path) -> None:
    model = build_tiny_llama(tmp_path / "model")
    run_dir = run_of(tmp_path, words=2000, base_model=model, max_tokens=CONTEXT // 2)
    assert next_settings(run_dir, "cut", "allow_longer") == {"max_tokens": CONTEXT}
    (run_dir / "config.yaml").write_text(f"base_model: {model}\nmax_tokens: {CONTEXT}\n", encoding="utf-8")
    assert next_settings(run_dir, "cut", "allow_longer") == {}


def test_without_the_model_or_the_rows_it_is_doubled_once(tmp_path: Path) -> None:
    run_dir = run_of(tmp_path, base_model="/no/such/model", max_tokens=100)
    assert next_settings(run_dir, "cut", "allow_longer") == {"max_tokens": 200}
    (run_dir / "config.yaml").write_text(f"base_model: /no/such/model\nmax_tokens: {MOST_TOKENS}\n")
    assert next_settings(run_dir, "cut", "allow_longer") == {}
    assert next_settings(run_dir, "unknown task", "train_longer") == {"epochs": 6.0}


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [({}, {"epochs": 6.0}), ({"epochs": 900.0}, {"epochs": 1000.0}), ({"max_steps": 70}, {"max_steps": 140})],
)
def test_training_is_doubled_in_its_own_unit(settings: dict[str, object], wanted: object, tmp_path: Path) -> None:
    assert next_settings(run_of(tmp_path, **settings), "cut", "train_longer") == wanted


def test_other_steps_are_no_matter_of_settings(tmp_path: Path) -> None:
    run_dir = run_of(tmp_path)
    others = set(STEPS) - {"allow_longer", "train_longer"}
    assert [next_settings(run_dir, "cut", step) for step in sorted(others)] == [{}] * 4
