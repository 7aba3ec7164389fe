"""Answers written in a mixed batch equal those written alone by transformers' own generate."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from core.adapters.registry import METHODS
from core.chat.text_stream import TextStream
from core.models.answer import END, LIMIT, Answer, choose_token
from core.models.building import build_modular
from core.models.decoding import DecoderBatch, EncoderDecoderBatch, write_answers
from core.models.forward import TaskForward, end_tokens, share_weights
from core.models.loading import LoadedBase, load_base
from core.models.modular import ModularModel
from tests.serving.conftest import shake

PROMPTS = ("Read the message.", "What is the sum of 12 and 30?", "Yes or no? The fox jumps over the dog.", "Hi")
TASKS = (0, 1, 2, 1)


def modular(folder: Path, method: str = "cpoly") -> tuple[LoadedBase, ModularModel]:
    base = load_base(str(folder))
    own = replace(base, model=share_weights(base.model))
    model = build_modular(own, method, None, 3)
    shake(model)
    model.set_stage(model.adapter.num_stages)  # the last stage is what a finished run answers with
    model.eval()
    return base, model


def batch_of(base: LoadedBase, model: ModularModel, tuned: bool = True) -> Any:
    forward = TaskForward(model, tuned)
    if base.architecture == "decoder":
        return DecoderBatch(forward, base.tokenizer.pad_token_id, end_tokens(base))
    start = model.config.decoder_start_token_id
    return EncoderDecoderBatch(forward, start, base.tokenizer.pad_token_id, end_tokens(base))


def questions(base: LoadedBase, **settings: Any) -> list[Answer]:
    ids = [base.tokenizer(text)["input_ids"] for text in PROMPTS]
    return [Answer(i, TASKS[i], ids[i], 12 + i, **settings) for i in range(len(PROMPTS))]


@torch.inference_mode()
def write_all(batch: Any, answers: list[Answer]) -> list[list[int]]:
    batch.add(answers)
    batch.drop_finished()
    while batch.answers:
        batch.step()
        batch.drop_finished()
    return [a.tokens for a in answers]


def alone(model: ModularModel, answer: Answer, ends: frozenset[int]) -> list[int]:
    """What transformers' generate writes for this question only."""
    ids = torch.tensor([answer.prompt])
    out = model.generate(
        ids,
        task_ids=[answer.task],
        attention_mask=torch.ones_like(ids),
        do_sample=False,
        max_new_tokens=answer.max_new_tokens,
        eos_token_id=sorted(ends),
    )[0].tolist()
    out = out[len(answer.prompt) :] if model.architecture == "decoder" else out[1:]
    return out[:-1] if out and out[-1] in ends else out


@pytest.fixture(params=["llama", "t5"])
def made(request: pytest.FixtureRequest) -> tuple[LoadedBase, ModularModel]:
    return modular(request.getfixturevalue(f"tiny_{request.param}_dir"))


@pytest.mark.parametrize("method", METHODS.names())
@pytest.mark.parametrize("kind", ["llama", "t5"])
def test_every_method_answers_in_a_mixed_batch_as_alone(
    method: str, kind: str, request: pytest.FixtureRequest
) -> None:
    """Also methods that read the prompt: what they concluded stays with its question when others come and go."""
    base, model = modular(request.getfixturevalue(f"tiny_{kind}_dir"), method)
    answers = questions(base)
    batch = batch_of(base, model)
    with torch.inference_mode():
        batch.add(answers[:2] if kind == "llama" else answers)
        batch.step()
        if kind == "llama":
            batch.add(answers[2:])
        batch.drop_finished()
        while batch.answers:
            batch.step()
            batch.drop_finished()
    assert [a.tokens for a in answers] == [alone(model, a, end_tokens(base)) for a in questions(base)]


def test_a_mixed_batch_writes_what_each_question_gets_alone(made: tuple[LoadedBase, ModularModel]) -> None:
    base, model = made
    answers = questions(base)
    written = write_all(batch_of(base, model), answers)
    assert written == [alone(model, a, end_tokens(base)) for a in questions(base)]
    assert len({tuple(tokens) for tokens in written}) == len(PROMPTS)
    assert all(a.finished in (END, LIMIT) for a in answers)


def test_questions_that_join_later_get_the_same_answers(tiny_llama_dir: Path) -> None:
    base, model = modular(tiny_llama_dir)
    answers = questions(base)
    batch = batch_of(base, model)
    with torch.inference_mode():
        batch.add(answers[:1])
        batch.step()
        batch.add(answers[1:3])
        batch.step()
        batch.step()
        batch.add(answers[3:])
        batch.drop_finished()
        while batch.answers:
            batch.step()
            batch.drop_finished()
    assert [a.tokens for a in answers] == [alone(model, a, end_tokens(base)) for a in questions(base)]


def test_places_are_taken_over_and_the_batch_does_not_grow(
    tiny_llama_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three places for eighteen questions with answers of 2 to 10 tokens: some leave, others join, and columns that
    nobody reads any more go; the answers are those of transformers' generate."""
    base, model = modular(tiny_llama_dir)

    def make() -> list[Answer]:
        ids = [base.tokenizer(PROMPTS[n % 4])["input_ids"] for n in range(18)]
        made = [Answer(n, TASKS[n % 4], ids[n], 2 + 4 * n % 9) for n in range(18)]
        return sorted(made, key=lambda a: -len(a.prompt))

    answers, widths, counts = make(), [], []
    step = DecoderBatch.step

    def watched(batch: DecoderBatch) -> None:
        step(batch)
        widths.append(batch._mask.shape[1])
        counts.append(len(batch.answers))

    monkeypatch.setattr(DecoderBatch, "step", watched)
    done = [answer for group in write_answers(batch_of(base, model), answers, 3) for answer in group]
    assert sorted(a.number for a in done) == list(range(18))
    ends = end_tokens(base)
    assert [a.tokens for a in answers] == [alone(model, a, ends) for a in make()]
    assert {1, 3} <= set(counts), "places fall free one by one and are taken over"
    assert max(widths) <= max(len(a.prompt) for a in answers) + 10


def test_later_questions_to_an_encoder_decoder_wait(tiny_t5_dir: Path) -> None:
    base, model = modular(tiny_t5_dir)
    batch = batch_of(base, model)
    assert batch.can_join()
    with torch.inference_mode():
        batch.add(questions(base))
    assert not batch.can_join()


def test_the_base_answer_is_that_of_the_untouched_model(made: tuple[LoadedBase, ModularModel]) -> None:
    base, model = made
    written = write_all(batch_of(base, model, tuned=False), questions(base))
    for answer, tokens in zip(questions(base), written, strict=True):
        ids = torch.tensor([answer.prompt])
        out = base.model.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=answer.max_new_tokens
        )[0].tolist()
        out = out[len(answer.prompt) :] if base.architecture == "decoder" else out[1:]
        assert tokens == [t for t in out if t not in end_tokens(base)][: len(tokens)]
        assert len(tokens) >= len([t for t in out if t not in end_tokens(base)])


def test_a_seed_decides_a_sampled_answer_whatever_else_is_in_the_batch(tiny_llama_dir: Path) -> None:
    base, model = modular(tiny_llama_dir)
    settings = {"temperature": 0.8, "top_p": 0.9, "seed": 7}
    together = write_all(batch_of(base, model), questions(base, **settings))
    single = [write_all(batch_of(base, model), [a])[0] for a in questions(base, **settings)]
    assert together == single
    assert together != write_all(batch_of(base, model), questions(base, **(settings | {"seed": 8})))


def test_runs_share_the_weights_of_their_base_model(tiny_llama_dir: Path) -> None:
    base = load_base(str(tiny_llama_dir))
    copied = share_weights(base.model)
    for (name, first), (_, second) in zip(base.model.named_parameters(), copied.named_parameters(), strict=True):
        assert first is second, name
    before = base.model(torch.tensor([[5, 6, 7]])).logits
    model = build_modular(replace(base, model=copied), "cpoly", None, 2)
    shake(model)
    assert torch.equal(base.model(torch.tensor([[5, 6, 7]])).logits, before)  # wrapping the copy left it alone


def test_choosing_a_token() -> None:
    logits = torch.tensor([0.0, 3.0, 2.9, -5.0])
    random = torch.Generator().manual_seed(0)
    assert choose_token(logits, 0.0, 1.0, random) == 1
    drawn = [choose_token(logits, 1.0, 1.0, random) for _ in range(200)]
    assert {1, 2} <= set(drawn)
    narrow = {choose_token(logits, 1.0, 0.4, random) for _ in range(100)}
    assert narrow == {1}


@pytest.mark.parametrize("text", ["Grüße, 你好世界！ 😀 end", "plain words", "银行卡丢了怎么办？", "a  b\n\nc "])
def test_text_arrives_in_whole_characters(tiny_llama_dir: Path, text: str) -> None:
    tokenizer = load_base(str(tiny_llama_dir)).tokenizer
    stream, pieces = TextStream(tokenizer), []
    for token in tokenizer(text, add_special_tokens=False)["input_ids"]:
        pieces.append(stream.push([token]))
    pieces.append(stream.push([], is_last=True))
    assert "".join(pieces) == text == stream.text
    assert not any("\ufffd" in piece for piece in pieces)
    assert sum(1 for piece in pieces if piece) > 2


def test_a_broken_last_character_is_shown_as_such(tiny_llama_dir: Path) -> None:
    tokenizer = load_base(str(tiny_llama_dir)).tokenizer
    ids = tokenizer("好", add_special_tokens=False)["input_ids"]
    stream = TextStream(tokenizer)
    assert stream.push(ids[:-1]) == ""
    assert stream.push([], is_last=True) == "\ufffd"


def test_mixtures_and_named_tasks_share_a_batch(made: tuple[LoadedBase, ModularModel]) -> None:
    """A mixture of tasks is written in a batch with named ones as it is alone, and the named ones as without it."""
    base, model = made
    ends = end_tokens(base)
    blends: list[dict[int, float]] = [{0: 0.6, 2: 0.4}, {}, {1: 0.5, 0: 0.5}, {}]
    mixed = [replace(answer, blend=blend) for answer, blend in zip(questions(base), blends, strict=True)]
    together = write_all(batch_of(base, model), mixed)
    for answer, found in zip(questions(base), together, strict=True):
        blend = blends[answer.number]
        if blend:
            assert found == write_all(batch_of(base, model), [replace(answer, blend=blend)])[0]
        else:
            assert found == alone(model, answer, ends)
    assert together[0] != alone(model, mixed[0], ends)  # the mixture does say something else
