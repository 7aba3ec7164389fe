"""The exam's settings as a run's config has them."""

from __future__ import annotations

from core.evaluation.exam import ExamSettings
from core.training.config import RunConfig


def exam_settings(config: RunConfig) -> ExamSettings:
    return ExamSettings(
        config.exam_rows,
        config.exam_batch_size,
        config.max_new_tokens,
        config.max_tokens,
        config.exam_base,
        only_labels=config.exam_only_labels,
        certainty_rows=config.certainty_rows,
    )
