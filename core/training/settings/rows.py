"""Settings of which rows are seen: the mixture of tasks, the checks and the final exam."""

from __future__ import annotations

from dataclasses import dataclass

from core.base.settings import SAME_RESULT, STILL_FITS, setting


@dataclass(frozen=True)
class MixtureSettings:
    """Which tasks are trained on, and how often the rows of each are drawn."""

    left_out_tasks: str | None = setting(
        None,
        label="Tasks left out",
        group="mixture",
        help="Names of tasks that this run does without, with ; between them. Empty: all tasks of the project.",
        separator=";",
        changed=SAME_RESULT,
    )
    mixture: str = setting(
        "capped",
        label="Mixture of tasks",
        choices=("capped", "proportional", "temperature", "equal", "balanced"),
        group="mixture",
        help="How often each task is drawn. Capped: by size, but no task more than the cap times the smallest one. "
        "Balanced: equal shares, evenly spread over the pass.",
    )
    mixture_cap: float = setting(
        3.0,
        label="Cap of the mixture",
        unit="times the smallest task",
        minimum=1.0,
        maximum=1e6,
        group="mixture",
        level="expert",
        help="Largest size a task may count for, as a multiple of the smallest task.",
    )
    mixture_temperature: float = setting(
        2.0,
        label="Temperature of the mixture",
        minimum=1.0,
        maximum=100.0,
        group="mixture",
        level="expert",
        help="For the temperature mixture: 1 draws by size, larger values move towards equal shares.",
    )
    few_shot: int | None = setting(
        None,
        label="Rows per label",
        unit="rows",
        minimum=1,
        maximum=1_000_000,
        group="mixture",
        level="expert",
        help="Trains on this many practice rows of each label (or of each task without labels) only, drawn by the "
        "seed, to see how few rows do. Empty: all rows.",
    )


@dataclass(frozen=True)
class EvaluationSettings:
    """The checks during training and the exam at its end."""

    evaluate_every: int | None = setting(
        None,
        label="Check every",
        unit="steps",
        minimum=1,
        maximum=10_000_000,
        group="evaluation",
        help="Steps between two checks on the check set (validation). Empty: up to ten checks a stage.",
    )
    validation_rows: int = setting(
        64,
        label="Check rows per task",
        unit="rows",
        minimum=1,
        maximum=1_000_000,
        group="evaluation",
        help="Rows of each task's check set that are used for a check during training.",
    )
    keep_best_by: str = setting(
        "loss",
        label="Keep the best by",
        choices=("loss", "score"),
        group="evaluation",
        help="Which state of a stage is kept: that with the lowest loss on the check set, or that which answers "
        "most check rows rightly by the exam's metrics (up to 32 a task; takes longer).",
    )
    patience: int | None = setting(
        None,
        label="Stop early after",
        unit="checks",
        minimum=1,
        maximum=10_000,
        group="evaluation",
        help="Ends a stage when this many checks in a row brought no improvement. Empty: never.",
        changed=STILL_FITS,
    )
    exam_rows: int | None = setting(
        200,
        label="Exam rows per task",
        unit="rows",
        minimum=0,
        maximum=10_000_000,
        group="evaluation",
        help="Rows of each task's final exam (test split) answered at the end. 0: no exam. Empty: all rows.",
        changed=SAME_RESULT,
    )
    exam_base: bool = setting(
        True,
        label="Examine the base model too",
        group="evaluation",
        help="Answers the same exam with the untouched base model, so that the gain can be shown.",
        changed=SAME_RESULT,
    )
    exam_general: bool = setting(
        True,
        label="Ask general questions too",
        group="evaluation",
        level="expert",
        help="Reads general texts and asks simple questions before and after, so that what was forgotten shows.",
        changed=SAME_RESULT,
    )
    certainty_rows: int = setting(
        200,
        label="Rows that tell how sure answers are",
        unit="rows",
        minimum=0,
        maximum=1_000_000,
        group="evaluation",
        level="expert",
        help="After the training up to this many check rows of each task with labels are answered, to learn how "
        "far the model's certainty can be believed. 0: not measured, and answers carry no certainty; for runs that "
        "are only compared by score.",
        changed=SAME_RESULT,
    )
    weigh_skills: bool = setting(
        True,
        label="Measure what the skills do",
        group="evaluation",
        level="expert",
        help="After the training the check rows are asked again without each skill. Off saves minutes on larger "
        "base models, for runs that are only compared by score; it can be measured later on the Skills screen.",
        changed=SAME_RESULT,
    )
    learn_router: bool = setting(
        False,
        label="Learn to find the task by hidden states",
        group="evaluation",
        level="expert",
        help="After the training a small router learns which task a text belongs to, from what the untouched model "
        "makes of it. Without it tasks are found by the text alone, which was at least as right when measured.",
        changed=SAME_RESULT,
    )
    exam_after_stop: bool = setting(
        False,
        label="Exam after an early stop",
        group="evaluation",
        level="expert",
        help="Whether a run that was stopped by hand still sits the final exam.",
        changed=SAME_RESULT,
    )
    exam_only_labels: bool = setting(
        True,
        label="Answer with labels only",
        group="evaluation",
        level="expert",
        help="In tasks with labels the exam's answers are the likeliest of the labels, for both models; else text.",
    )
    exam_batch_size: int = setting(
        16,
        label="Exam batch size",
        unit="examples",
        minimum=1,
        maximum=4096,
        group="evaluation",
        level="expert",
        help="Questions that are answered at the same time in the final exam.",
        changed=SAME_RESULT,
    )
    max_new_tokens: int | None = setting(
        None,
        label="Longest answer",
        unit="tokens",
        minimum=1,
        maximum=8192,
        group="evaluation",
        help="Longest answer in the exam. Empty: taken from the answers in each task's practice set.",
        changed=SAME_RESULT,
    )
