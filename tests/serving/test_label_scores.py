"""Labels scored side by side behind one prompt pass equal the plain computation, label by label, to 1e-4 nats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from core.adapters.registry import METHODS
from core.models import label_scores
from core.models.forward import TaskForward
from core.models.label_scores import LabelQuestion, LabelScorer
from core.models.loading import LoadedBase
from core.models.modular import ModularModel
from core.tasks.encoding import answer_ids
from tests.serving import test_decoding
from tests.serving.test_decoding import PROMPTS, TASKS

LABELS = ("no", "not sure", "yes", "yes, but only on working days", "n", "银行卡", "42", "no way")


def modular(folder: Path, method: str = "cpoly") -> tuple[LoadedBase, ModularModel]:
    """With a milder head: the random one of T5 is hundreds of nats sure, more than float32 has digits for."""
    base, model = test_decoding.modular(folder, method)
    with torch.no_grad():
        base.model.get_output_embeddings().weight.mul_(0.05 if base.architecture == "encoder_decoder" else 1.0)
    return base, model


def questions(base: LoadedBase, blended: bool = False) -> list[LabelQuestion]:
    """Several tasks in one batch, each with labels of its own, prompts and labels of different lengths."""
    labels = [answer_ids(base.tokenizer, label) for label in LABELS]
    sets = [labels, labels[:2], labels[2:7], labels[3:]]
    return [
        LabelQuestion(
            base.tokenizer(text)["input_ids"],
            {0: 0.7, 2: 0.3} if blended and place == 1 else {TASKS[place]: 1.0},
            sets[place],
        )
        for place, text in enumerate(PROMPTS)
    ]


@torch.no_grad()
def plain(base: LoadedBase, model: ModularModel, question: LabelQuestion, tuned: bool = True) -> list[float]:
    """Each label alone, without cache and batch: one forward pass over prompt and label."""
    found = []
    for label in question.labels:
        forward = TaskForward(model, tuned)
        inputs: dict[str, Any]
        if base.architecture == "decoder":
            ids = torch.tensor([[*question.prompt, *label]])
            opened = forward.open([question.tasks], torch.tensor([[1] * len(question.prompt) + [0] * len(label)]))
            inputs, behind = {"input_ids": ids}, slice(len(question.prompt) - 1, -1)
        else:
            ids = torch.tensor([list(question.prompt)])
            opened = forward.open([question.tasks], torch.ones_like(ids))
            start = model.config.decoder_start_token_id
            inputs, behind = (
                {"input_ids": ids, "decoder_input_ids": torch.tensor([[start, *label[:-1]]])},
                slice(None),
            )
        logits = forward(opened, **inputs).logits[0].float().log_softmax(-1)[behind]
        found.append(float(logits.gather(-1, torch.tensor(label)[:, None]).sum()))
    return found


@pytest.fixture(params=["llama", "t5"])
def kind(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(f"tiny_{request.param}_dir")


@pytest.mark.parametrize("method", METHODS.names())
def test_every_method_scores_as_label_by_label(method: str, kind: Any) -> None:
    base, model = modular(kind, method)
    asked = questions(base, blended=method == "cpoly")
    for question, found in zip(asked, LabelScorer(base, model, True).score(asked), strict=True):
        assert found.tolist() == pytest.approx(plain(base, model, question), abs=1e-4)


def test_the_untouched_model_scores_too(kind: Any) -> None:
    base, model = modular(kind)
    asked = questions(base)
    for question, found in zip(asked, LabelScorer(base, model, False).score(asked), strict=True):
        assert found.tolist() == pytest.approx(plain(base, model, question, tuned=False), abs=1e-4)


def test_small_parts_change_nothing(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    base, model = modular(kind)
    asked = questions(base)
    whole = LabelScorer(base, model, True).score(asked)
    monkeypatch.setattr(label_scores, "ROW_TOKENS", 60)
    monkeypatch.setattr(label_scores, "FIRST_ROUND", 1)
    for first, second in zip(whole, LabelScorer(base, model, True).score(asked), strict=True):
        assert first.tolist() == pytest.approx(second.tolist(), abs=1e-4)


def test_length_can_be_taken_out(kind: Any) -> None:
    base, model = modular(kind)
    asked = questions(base)
    sums, means = LabelScorer(base, model, True).score(asked), LabelScorer(base, model, True, 1.0).score(asked)
    for question, total, mean in zip(asked, sums, means, strict=True):
        lengths = torch.tensor([len(label) for label in question.labels])
        assert mean.tolist() == pytest.approx((total / lengths).tolist(), abs=1e-9)


@pytest.mark.parametrize("slack", [0.0, 0.5, 3.0])
def test_what_is_out_of_reach_is_not_read(kind: Any, slack: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """The best labels are exact; the others are known to be further behind than the slack."""
    monkeypatch.setattr(label_scores, "FIRST_ROUND", 1)
    base, model = modular(kind)
    asked = questions(base)
    scorer = LabelScorer(base, model, True)
    for exact, found in zip(scorer.score(asked), scorer.score(asked, slack), strict=True):
        near = exact >= exact.max() - slack
        assert found[near].tolist() == pytest.approx(exact[near].tolist(), abs=1e-4)
        assert bool((found >= exact - 1e-4).all())
        assert bool((found[~near] <= exact.max() + 1e-4).all())
        assert int(found.argmax()) == int(exact.argmax())


def test_a_single_label_and_a_single_question(kind: Any) -> None:
    base, model = modular(kind)
    asked = questions(base)[:1]
    only = LabelQuestion(asked[0].prompt, asked[0].tasks, asked[0].labels[:1])
    found = LabelScorer(base, model, True).score([only])
    assert found[0].tolist() == pytest.approx(plain(base, model, only), abs=1e-4)
