"""The worker's bench in this process: events in the right order, prompts as in training, errors in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from core.base.errors import RunError, SettingError
from core.chat import answering
from core.chat.answering import Bench
from core.chat.loading import RunShelf
from core.chat.prompts import build_prompt
from core.chat.protocol import ChatEvent, ChatRequest, ask, event_from_dict, request_from_dict
from core.models.batching import encode_prompt
from core.models.building import load_adapter
from core.models.loading import load_base
from core.runs.device_lease import DeviceLease, lease_holder
from core.runs.folder import RunFolder
from core.tasks.dataset import load_saved_dataset, load_saved_tasks


class Told:
    """Keeps what the bench says, by request."""

    def __init__(self) -> None:
        self.events: dict[int, list[ChatEvent]] = {}

    def __call__(self, number: int, event: ChatEvent) -> None:
        self.events.setdefault(number, []).append(event)


def work_off(bench: Bench) -> None:
    while not bench.is_idle:
        for key in bench.groups():
            bench.work(key)


def answer_all(requests: list[ChatRequest]) -> dict[int, list[ChatEvent]]:
    told = Told()
    bench = Bench(told)
    for number, request in enumerate(requests):
        bench.begin(number, request)
    work_off(bench)
    return told.events


def test_the_device_is_held_while_answers_are_open(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the CPU in the place of a graphics card: a lease from the first question to the last token; the memory
    is given up when somebody else takes the device."""
    monkeypatch.setattr(answering, "CARD", "cpu")
    workspace, bench = RunFolder(run_dir).workspace_dir, Bench(Told())
    bench.begin(1, ask(run_dir, "task 0", "message 3", max_new_tokens=2))
    holder = lease_holder(workspace, "cpu") or {}
    assert (holder["purpose"], holder["name"]) == ("chat", run_dir.name)
    training = DeviceLease(workspace, "cpu", "training", "r1")
    assert not training.try_acquire()
    work_off(bench)
    bench.yield_device()
    assert bench._shelf.holds(str(run_dir))  # nobody wants the device: the model stays loaded
    with training:
        bench.yield_device()
        assert not bench._shelf.holds(str(run_dir))


def test_events_come_in_order_and_end_with_the_whole_answer(run_dir: Path) -> None:
    events = answer_all([ask(run_dir, "task 0", "message 3 of task 0", max_new_tokens=8)])[0]
    assert [e.text for e in events if e.kind == "phase"] == ["loading", "reading", "answering"]
    done = events[-1]
    assert done.kind == "done"
    assert done.is_last
    assert "".join(e.text for e in events if e.kind == "delta").strip() == done.text
    assert 0 < done.tokens <= 8
    assert done.seconds >= (done.first_s or 0) > 0
    assert done.prompt_tokens > 10
    names = [w.name for w in done.weights]
    assert len(names) == len(set(names)) > 2
    assert abs(sum(w.weight for w in done.weights if w.kind == "common") - 1) < 1e-3


def test_the_answer_is_generates_answer_to_the_training_prompt(run_dir: Path) -> None:
    """The tokens before the answer are those of training, the answer is what plain generate writes after them."""
    folder = RunFolder(run_dir)
    example = load_saved_dataset(folder.data_dir).examples[(1, "train")][0]
    task = load_saved_tasks(folder.data_dir)[1]
    text = example.prompt.split("\n\n")[-1]
    assert build_prompt(task, text) == example.prompt
    base = load_base(folder.read_config().base_model)
    ids = encode_prompt(base.tokenizer, example.prompt, "decoder", 256).input_ids
    model = load_adapter(base, folder.adapter_dir)
    out = model.generate(
        torch.tensor([ids]),
        task_ids=[1],
        attention_mask=torch.ones(1, len(ids), dtype=torch.long),
        do_sample=False,
        max_new_tokens=10,
    )[0, len(ids) :]
    done = answer_all([ask(run_dir, "task 1", text, max_new_tokens=10)])[0][-1]
    assert done.text == base.tokenizer.decode(out, skip_special_tokens=True).strip()


def test_sixteen_questions_of_all_tasks_get_their_solo_answers(run_dir: Path) -> None:
    requests: list[ChatRequest] = []
    for i in range(16):
        task = ("task 0", "task 1", "pairs")[i % 3]
        text: Any = {"question": f"what is {i}", "context": "银行"} if task == "pairs" else f"message {i}"
        requests.append(ask(run_dir, task, text, max_new_tokens=6 + i % 5, tuned=i % 4 != 3))
    together = answer_all(requests)
    for number, request in enumerate(requests):
        alone = answer_all([request])[0][-1]
        assert together[number][-1].text == alone.text
        assert together[number][-1].tokens == alone.tokens
    assert len({events[-1].text for events in together.values()}) > 8


def test_base_and_tuned_differ_and_the_base_uses_no_skills(run_dir: Path) -> None:
    asked = [ask(run_dir, "task 0", "message 5", tuned=tuned, max_new_tokens=12) for tuned in (True, False)]
    events = answer_all(asked)
    assert events[0][-1].text != events[1][-1].text
    assert events[1][-1].weights == ()


def test_stop_keeps_what_was_written(run_dir: Path) -> None:
    told = Told()
    bench = Bench(told)
    bench.begin(1, ask(run_dir, "task 0", "message 1", max_new_tokens=200))
    bench.begin(2, ask(run_dir, "task 1", "message 1", max_new_tokens=4))
    for _ in range(3):
        for key in bench.groups():
            bench.work(key)
    bench.stop({1})
    work_off(bench)
    stopped = told.events[1][-1]
    assert stopped.kind == "done"
    assert stopped.stopped
    assert 0 < stopped.tokens < 200
    assert not told.events[2][-1].stopped


def test_mistakes_are_worded(run_dir: Path, tmp_path: Path) -> None:
    bench = Bench(Told())
    with pytest.raises(RunError, match=r"no task 'nothing'.*task 0, task 1, pairs"):
        bench.begin(1, ask(run_dir, "nothing", "x"))
    with pytest.raises(RunError, match="question, context"):
        bench.begin(1, ask(run_dir, "pairs", "only one text"))
    with pytest.raises(RunError, match="expects a value for context"):
        bench.begin(1, ask(run_dir, "pairs", {"question": "what"}))
    with pytest.raises(RunError, match="message is empty"):
        ask(run_dir, "task 0", "   ")
    with pytest.raises(SettingError, match="temperature is -1"):
        ask(run_dir, "task 0", "x", temperature=-1)
    with pytest.raises(RunError, match="not saved a trained model"):
        bench.begin(1, ask(tmp_path / "r1", "task 0", "x"))
    assert bench.is_idle


def test_a_long_text_is_cut_and_counted(run_dir: Path) -> None:
    done = answer_all([ask(run_dir, "task 0", "many words " * 200, max_new_tokens=3)])[0][-1]
    assert done.num_cut > 0
    assert done.prompt_tokens <= 256


def test_an_answer_never_outgrows_the_context(run_dir: Path) -> None:
    told = Told()
    bench = Bench(told)
    bench.begin(1, ask(run_dir, "task 0", "many words " * 200, max_new_tokens=8000))
    group = bench._groups[bench.groups()[0]]
    answer = group.waiting[0].answer
    assert 240 < len(answer.prompt) <= 256
    assert len(answer.prompt) + answer.max_new_tokens == group.run.base.context


def test_runs_on_one_base_model_share_it_and_a_new_adapter_is_noticed(run_dir: Path) -> None:
    import os

    shelf = RunShelf()
    first = shelf.get(str(run_dir))
    assert shelf.get(str(run_dir)) is first
    description = RunFolder(run_dir).adapter_dir / "adapter.json"
    os.utime(description, (1, description.stat().st_mtime + 5))
    second = shelf.get(str(run_dir))
    assert second is not first
    assert second.base is first.base


def test_requests_and_events_survive_the_wire() -> None:
    request = ask("/runs/r1", "t", {"a": "1", "b": "二"}, temperature=0.5, seed=3, tuned=False)
    assert request_from_dict(request.as_dict()) == request
    event = ChatEvent("done", "text", tokens=3, seconds=0.5, seed=2, key="", weights=())
    assert event_from_dict(event.as_dict()) == event
    assert ChatEvent("delta", "x").as_dict() == {"kind": "delta", "text": "x"}
    with pytest.raises(RunError, match="cannot be read"):
        request_from_dict({"task": "t"})


def test_only_the_last_user_message_is_asked() -> None:
    messages = (
        {"role": "user", "content": "old"},
        {"role": "assistant", "content": "a"},
        {"role": "user", "content": [{"type": "text", "text": "new"}]},
    )
    assert ChatRequest("r", "t", messages).require_input() == "new"
