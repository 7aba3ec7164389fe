"""The worker's bench in this process: events in the right order, prompts as in training, errors in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from core.base.errors import RunError, SettingError
from core.chat import answering
from core.chat.answering import Bench
from core.chat.loading import RunShelf
from core.chat.prompts import build_prompt
from core.chat.protocol import FREE, ChatEvent, ChatRequest, ask, event_from_dict, request_from_dict
from core.evaluation.certainty import Certainty, write_certainties
from core.models.building import load_adapter
from core.models.loading import load_base
from core.runs.device_lease import DeviceLease, lease_holder
from core.runs.folder import RunFolder
from core.tasks.dataset import load_saved_dataset, load_saved_tasks
from core.tasks.encoding import encode_prompt


def write(run_dir: object, task: str, text: str | dict[str, str], **settings: Any) -> ChatRequest:
    """A question whose answer is written token by token, also in tasks with labels."""
    return ask(run_dir, task, text, **{"answers": FREE, **settings})


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
    monkeypatch.setattr(answering, "FIRST", "cpu")
    workspace, bench = RunFolder(run_dir).workspace_dir, Bench(Told())
    bench.begin(1, write(run_dir, "task 0", "message 3", max_new_tokens=2))
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
    events = answer_all([write(run_dir, "task 0", "message 3 of task 0", max_new_tokens=8)])[0]
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
    done = answer_all([write(run_dir, "task 1", text, max_new_tokens=10)])[0][-1]
    assert done.text == base.tokenizer.decode(out, skip_special_tokens=True).strip()


def test_sixteen_questions_of_all_tasks_get_their_solo_answers(run_dir: Path) -> None:
    requests: list[ChatRequest] = []
    for i in range(16):
        task = ("task 0", "task 1", "pairs")[i % 3]
        text: Any = {"question": f"what is {i}", "context": "银行"} if task == "pairs" else f"message {i}"
        requests.append(write(run_dir, task, text, max_new_tokens=6 + i % 5, tuned=i % 4 != 3))
    together = answer_all(requests)
    for number, request in enumerate(requests):
        alone = answer_all([request])[0][-1]
        assert together[number][-1].text == alone.text
        assert together[number][-1].tokens == alone.tokens
    assert len({events[-1].text for events in together.values()}) > 8


def test_base_and_tuned_differ_and_the_base_uses_no_skills(run_dir: Path) -> None:
    asked = [write(run_dir, "task 0", "message 5", tuned=tuned, max_new_tokens=12) for tuned in (True, False)]
    events = answer_all(asked)
    assert events[0][-1].text != events[1][-1].text
    assert events[1][-1].weights == ()


def test_stop_keeps_what_was_written(run_dir: Path) -> None:
    told = Told()
    bench = Bench(told)
    bench.begin(1, write(run_dir, "task 0", "message 1", max_new_tokens=200))
    bench.begin(2, write(run_dir, "task 1", "message 1", max_new_tokens=4))
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
        bench.begin(1, write(run_dir, "nothing", "x"))
    with pytest.raises(RunError, match="question, context"):
        bench.begin(1, write(run_dir, "pairs", "only one text"))
    with pytest.raises(RunError, match="expects a value for context"):
        bench.begin(1, write(run_dir, "pairs", {"question": "what"}))
    with pytest.raises(RunError, match="message is empty"):
        write(run_dir, "task 0", "   ")
    with pytest.raises(SettingError, match="temperature is -1"):
        write(run_dir, "task 0", "x", temperature=-1)
    with pytest.raises(RunError, match="not saved a trained model"):
        bench.begin(1, write(tmp_path / "r1", "task 0", "x"))
    assert bench.is_idle


def test_a_long_text_is_cut_and_counted(run_dir: Path) -> None:
    done = answer_all([write(run_dir, "task 0", "many words " * 200, max_new_tokens=3)])[0][-1]
    assert done.num_cut > 0
    assert done.prompt_tokens <= 256


def test_an_answer_never_outgrows_the_context(run_dir: Path) -> None:
    told = Told()
    bench = Bench(told)
    bench.begin(1, write(run_dir, "task 0", "many words " * 200, max_new_tokens=8000))
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


def test_tasks_with_labels_answer_the_likeliest_label(run_dir: Path, trained_certainty: Certainty) -> None:
    """In one go with written answers of other tasks; how sure it is comes from the run's check rows."""
    asked = [
        ask(run_dir, "task 0", "message 3", max_new_tokens=1),
        ask(run_dir, "task 1", "message 3"),
        write(run_dir, "task 0", "message 3", max_new_tokens=5),
        ask(run_dir, "task 0", "message 3", tuned=False),
        ask(run_dir, "pairs", {"question": "what is 3", "context": "it is 3"}, max_new_tokens=4),
    ]
    events = answer_all(asked)
    done = [events[number][-1] for number in range(len(asked))]
    assert {done[0].text, done[1].text, done[3].text} <= {"yes", "no"}
    assert done[2].text not in ("yes", "no")
    assert done[0].certainty == done[0].ranking[0][1] > 0.5
    assert dict(done[0].ranking).keys() == {"yes", "no"}
    assert sum(share for _, share in done[0].ranking) == pytest.approx(1, abs=1e-3)
    assert done[0].certainty <= 1 - 0.5 / (trained_certainty.rows + 2)
    for other in done[1:]:  # not measured, written, the untouched model, no labels
        assert (other.certainty, other.ranking) == (None, ())
    assert "".join(e.text for e in events[0] if e.kind == "delta") == done[0].text
    assert event_from_dict(done[0].as_dict()) == done[0]


def test_sixteen_label_questions_get_their_solo_answers(run_dir: Path, trained_certainty: Certainty) -> None:
    asked = [ask(run_dir, f"task {i % 2}", f"message {i} " * (1 + i % 4), tuned=i % 3 > 0) for i in range(16)]
    for number, events in answer_all(asked).items():
        alone = answer_all([asked[number]])[0][-1]
        assert events[-1].text == alone.text
        assert events[-1].certainty == (alone.certainty and pytest.approx(alone.certainty, abs=2e-3))


def test_certainty_is_silent_where_it_was_not_measured(run_dir: Path, trained_certainty: Certainty) -> None:
    """A mixture of tasks and examples in front are other questions than the check rows were."""
    blend = (("task 0", 0.6), ("task 1", 0.4))
    for more in ({"blend": blend}, {"examples": (("message 1", "yes"),)}):
        done = answer_all([ask(run_dir, "task 0", "message 3", **more)])[0][-1]
        assert done.text in ("yes", "no")
        assert done.certainty is None
    few = replace(trained_certainty, rows=19)  # of which a hundred answers this sure cannot be spoken
    folder = RunFolder(run_dir)
    write_certainties(folder.certainty_path, {load_saved_tasks(folder.data_dir)[0].task_id: few})
    assert RunShelf().get(str(run_dir)).certainty_of(0) is None


def test_a_temperature_draws_among_the_labels(run_dir: Path) -> None:
    def drawn(seed: int) -> str:
        return answer_all([ask(run_dir, "task 0", "message 3", temperature=5.0, seed=seed)])[0][-1].text

    assert drawn(3) == drawn(3)
    assert {drawn(seed) for seed in range(12)} <= {"yes", "no"}


def test_an_unknown_way_of_answering_is_named(run_dir: Path) -> None:
    with pytest.raises(SettingError, match="labels, free"):
        ask(run_dir, "task 0", "x", answers="guess")


@pytest.fixture
def trained_certainty(run_dir: Path) -> Iterator[Certainty]:
    """How sure task 0 is, as a run writes it; task 1 was not measured."""
    folder = RunFolder(run_dir)
    certainty = Certainty(1.5, 40, 0.2, 0.1)
    write_certainties(folder.certainty_path, {load_saved_tasks(folder.data_dir)[0].task_id: certainty})
    yield certainty
    folder.certainty_path.unlink()
