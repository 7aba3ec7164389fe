"""The Try it screen without a browser: who answers, hidden names, votes, corrections, files, what is saved."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from app.shell.context import Context
from app.shell.device_user import word_holder
from app.shell.job_panel import job_line
from app.shell.outcomes import Outcomes
from app.shell.selection import Selection
from app.shell.stream_columns import Stops, stream_together
from app.texts import say
from app.texts.language import in_language
from app.try_it import file_panel
from app.try_it.answers import exchange_view
from app.try_it.bench_panel import Bench, draw_tally
from app.try_it.columns import ask_as, build_exchange, request_to, side_choices, specs_of, with_untouched
from app.try_it.conversation import Asking, Exchange, to_json, to_markdown
from app.try_it.device_panel import DevicePanel
from app.try_it.file_panel import answer_file, draw_outcome
from app.try_it.file_panel import stop as stop_file
from app.try_it.screen import TryIt, read_fields, stop
from core.base.errors import RunError
from core.chat.client import ChatClient
from core.chat.detecting import AUTO
from core.chat.learning_router import learn_router
from core.chat.protocol import DELTA, DONE, VERSION, ChatEvent, ChatRequest, ask
from core.chat.routing import BY_STATES
from core.chat.votes import read_votes
from core.insight.jobs import JobState
from core.insight.verdict_rules import BROKEN, READY
from core.insight.verdicts import Verdict
from core.messages import Sentence
from core.runs.device_lease import DeviceLease, lease_device
from core.tasks.changing.editing import ORIGIN
from core.tasks.changing.label_check import list_labels
from core.tasks.changing.versions import list_versions
from core.tasks.store import get_task, read_rows, task_dir
from core.workspace import Workspace
from tests.app.panels import build_panel
from tests.serving.conftest import make_trained_run

SETTINGS = (0, 1, 3, 0, 0, "full", False)
REQUEST: Any = SimpleNamespace(session_hash="tab")
Place = tuple[Context, Selection]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.tiny_models import build_tiny_llama

    root = tmp_path_factory.mktemp("try")
    return make_trained_run(root / "workspace", build_tiny_llama(root / "llama"))


@pytest.fixture
def place(trained: Path, tmp_path: Path) -> Iterator[Place]:
    """A fresh copy of a workspace with one trained run, and a selection on it."""
    root = tmp_path / "workspace"
    shutil.copytree(trained.parents[3], root)
    context = Context(Workspace(root))
    project = context.workspace.list_projects()[0]
    yield context, Selection(project_id=project.project_id, run_id=trained.name)
    context.chat.close()


def asking(*choices: str, task: str = "task 0", blind: bool = False) -> Asking:
    settings = {"temperature": 0.0, "top_p": 1.0, "seed": 0, "max_new_tokens": 3, "refine": 0, "precision": "full"}
    settings["answers"] = "labels"
    return Asking(task, choices, settings, blind)


def over(exchange: Exchange, *texts: str) -> Exchange:
    for i, text in enumerate(texts):
        done = exchange.answers[i].after(ChatEvent(DONE, text, tokens=1))
        exchange = exchange.with_answer(i, done)
    return exchange


def click(act: str, exchange: Exchange, number: int) -> Any:
    return SimpleNamespace(_data={"act": act, "key": exchange.key, "place": number})


def test_columns_may_be_the_run_its_base_and_its_other_tasks(place: Place) -> None:
    context, selection = place
    values = [value for _, value in side_choices(context, selection)]
    assert values == ["tuned", "base", "task:task 0", "task:task 1", "task:pairs"]
    exchange = build_exchange(context, selection, asking("tuned", "base", "task:task 1"), ["message 3"])
    requests = [request_to(context, selection, exchange, i) for i in range(3)]
    assert [(r.task, r.tuned) for r in requests] == [("task 0", True), ("task 0", False), ("task 1", True)]
    assert {r.require_input() for r in requests} == {"message 3"}
    strange = build_exchange(context, selection, asking("tuned", "run:of-somebody-else", "nobody"), ["x"])
    assert len(strange.answers) == 1


def test_a_task_is_found_with_its_probability(place: Place) -> None:
    context, selection = place
    found = build_exchange(context, selection, asking("tuned", task=AUTO), ["message 5 of task 1"])
    assert found.task == "task 1"
    assert 0.5 < (found.answers[0].side.probability or 0) <= 1
    assert "task found: task 1" in exchange_view(found)
    pairs = build_exchange(context, selection, asking("tuned", task=AUTO), ["what is 7\nit is 7 号"])
    assert pairs.content == {"question": "what is 7", "context": "it is 7 号"}  # a line a column


def test_a_task_is_found_by_the_hidden_states_where_the_run_has_learned_to(place: Place) -> None:
    context, selection = place
    run_dir = context.trained_run(selection)
    assert run_dir is not None
    asked = replace(asking("tuned", task=AUTO), way=BY_STATES)
    with pytest.raises(RunError) as missing:
        build_exchange(context, selection, asked, ["message 5 of task 1"])
    assert missing.value.key == "chat.no_router"
    learn_router(run_dir)
    found = build_exchange(context, selection, asked, ["message 5 of task 1"])
    assert {found.task, *found.offered} == {"task 0", "task 1", "pairs"} or found.foreign > 0.5
    asked_by_name = build_exchange(context, selection, replace(asked, task="task 0"), ["message 5 of task 1"])
    assert asked_by_name.task == "task 0"


def test_an_undecided_text_is_answered_with_the_skills_of_several_tasks(place: Place) -> None:
    context, selection = place
    asked = asking("tuned", "base", "task:task 0", task=AUTO)
    found = build_exchange(context, selection, asked, ["message of task"])
    tuned, base, named = (one.side for one in found.answers)
    assert len(tuned.blend) > 1
    assert sum(share for _, share in tuned.blend) == pytest.approx(1.0)
    assert base.blend == named.blend == ()  # no skills; a task that was named
    assert "skills mixed: " + tuned.blend[0][0] in exchange_view(found)
    assert json.loads(to_json([found]))[0]["answers"][0]["blend"] == dict(tuned.blend)
    request = request_to(context, selection, found, 0)
    assert request.blend == tuned.blend
    done = context.chat.answer(request)
    only = context.chat.answer(replace(request, blend=()))
    weights = {w.name: w.weight for w in done.weights if w.kind == "private"}
    assert sorted(weights.values()) == pytest.approx(sorted(share for _, share in tuned.blend), abs=1e-3)
    assert sorted(w.weight for w in only.weights if w.kind == "private") == [1.0]


def test_errors_are_nothing_to_vote_on(place: Place) -> None:
    exchange = build_exchange(*place, asking("tuned", "base"), ["message 3"])
    failed = ChatEvent("error", key="serving.empty_message")
    for number in (0, 1):
        exchange = exchange.with_answer(number, exchange.answers[number].after(failed))
    assert not exchange.can_vote
    assert over(exchange, "a", "b").can_vote


def test_a_run_that_has_the_device_is_named(place: Place) -> None:
    context, selection = place
    panel = build_panel(DevicePanel, context)
    free = {panel.held: "", panel.seen: ""}
    assert panel.draw(context, selection) == free
    training = DeviceLease(context.workspace.root, lease_device("auto"), "training", "r1", "Night run")
    assert training.try_acquire()
    shown = panel.draw(context, selection)
    assert "Night run (training) is using" in shown[panel.held]
    assert panel.poll(context, selection, shown[panel.seen]) == gr.skip()
    assert "Night run" in in_language(
        "zh", job_line, JobState("running", waiting=True), word_holder(context, selection)
    )
    training.release()
    assert panel.poll(context, selection, shown[panel.seen]) == free
    chat = DeviceLease(context.workspace.root, lease_device("auto"), "chat", "r1", "Night run")
    assert chat.try_acquire()
    assert panel.draw(context, selection) == free  # a chat makes no chat wait
    chat.release()


def test_answers_stream_and_are_kept(place: Place) -> None:
    context, selection = place
    values = ("task 0", "text", "tuned", "base", "nobody", *SETTINGS, False, "message 7")
    screen = build_panel(TryIt, context)
    *_, shown = screen.answer(context, selection, [], REQUEST, *values)  # type: ignore[misc, arg-type]
    html, asked, saves = (shown[part] for part in screen.bench.streamed)
    assert [a.done is not None for a in asked[0].answers] == [True, True]
    assert html.count('data-done="1"') == 2
    assert "conversation.json" in saves
    alone = context.chat.answer(ask(context.trained_run(selection), "task 0", "message 7", max_new_tokens=3))
    assert asked[0].answers[0].text == alone.text


def test_blind_answers_show_no_name_until_the_vote(place: Place) -> None:
    context, selection = place
    exchange = over(build_exchange(context, selection, asking("tuned", "base", blind=True), ["x"]), "one", "two")
    hidden = exchange_view(exchange)
    assert "Answer A" in hidden
    assert "untouched" not in hidden
    assert "Correct" not in hidden
    bench = build_panel(Bench, context)
    shown = bench.click(context, selection, [exchange], click("vote", exchange, 1))
    assert "untouched" in shown[bench.answers]
    tally = draw_tally(context, selection)
    winner = exchange.answers[1].side.vote_label
    project = context.require_project(selection)
    assert [(v.winner, v.blind) for v in read_votes(project)] == [(winner, True)]
    assert "1 : 0" in tally or "0 : 1" in tally
    bench.click(context, selection, shown[bench.asked], click("vote", exchange, 0))
    assert len(read_votes(project)) == 1  # a second vote on the same answers is none
    assert "may be chance" in draw_tally(context, selection)


def test_votes_and_corrections_go_to_the_project_of_the_run_that_answered(place: Place) -> None:
    context, selection = place
    home, other = context.require_project(selection), context.workspace.create_project("another")
    exchange = over(build_exchange(context, selection, asking("tuned", "base"), ["a new text"]), "yes", "no")
    bench, moved = build_panel(Bench, context), selection.with_project(other.project_id)
    shown = bench.click(context, moved, [exchange], click("vote", exchange, 0))
    assert [len(read_votes(project)) for project in (home, other)] == [1, 0]
    form, answered = bench.correction, shown[bench.asked]
    wanted = bench.click(context, moved, answered, click("correct", exchange, 0))[form.wanted]
    saved = form.save_known(context, moved, answered, wanted, "no", "")
    spec = get_task(home, "task 0")
    assert list(read_rows(task_dir(home, spec.task_id), "train"))[-1][1][ORIGIN] == "chat: Run 1"
    seen = bench.click(context, moved, saved[form.asked], click("see", exchange, 0))[context.selection]
    assert (seen.project_id, seen.task_id) == (home.project_id, spec.task_id)
    shutil.rmtree(home.runs_dir / selection.run_id)
    with pytest.raises(RunError) as caught:
        bench.click(context, moved, [exchange], click("vote", exchange, 0))
    assert caught.value.key == "chat.answerer_gone"


def test_a_correction_is_a_label_and_becomes_a_practice_row(place: Place) -> None:
    context, selection = place
    project = context.require_project(selection)
    exchange = over(build_exchange(context, selection, asking("tuned"), ["a new text"]), "yes")
    bench = build_panel(Bench, context)
    opened = bench.click(context, selection, [exchange], click("correct", exchange, 0))
    form = bench.correction
    assert sorted(opened[form.label]["choices"]) == ["no", "yes"]
    assert opened[form.label]["value"] == "no"  # of two labels it is the other one
    assert (opened[form.label]["visible"], opened[form.text]["visible"]) == (True, False)
    before, wanted = get_task(project, "task 0"), opened[form.wanted]
    saved = form.save_known(context, selection, [exchange], wanted, " No ", "")
    assert saved[context.selection].version == selection.version + 1
    spec = get_task(project, "task 0")
    row = list(read_rows(task_dir(project, spec.task_id), "train"))[-1][1]
    assert (row["text"], row["label"], row[ORIGIN]) == ("a new text", "no", "chat: Run 1")  # in its own spelling
    assert spec.num_train == before.num_train + 1
    html = saved[form.answers]
    assert f"practice row {spec.num_train} of task 0" in html
    assert 'data-act="correct"' not in html
    seen = bench.click(context, selection, saved[form.asked], click("see", exchange, 0))
    assert seen[context.selection].task_id == spec.task_id
    assert seen[context.tabs]["selected"] == "tab.tasks"
    with pytest.raises(RunError, match="empty"):
        form.save_known(context, selection, [exchange], wanted, "  ", "")


def test_a_correction_replaces_what_contradicts_it(place: Place) -> None:
    context, selection = place
    project = context.require_project(selection)
    spec, form = get_task(project, "task 0"), build_panel(Bench, context).correction
    rows = list(read_rows(task_dir(project, spec.task_id), "train"))
    text, wrong = str(rows[0][1]["text"]), str(rows[0][1]["label"])
    right = {"yes": "no", "no": "yes"}[wrong]
    exchange = over(build_exchange(context, selection, asking("tuned"), [text]), wrong)
    saved = form.save_known(context, selection, [exchange], (exchange.key, 0), right, "")
    after = list(read_rows(task_dir(project, spec.task_id), "train"))
    assert (len(after), after[0][1]["label"], after[0][1][ORIGIN]) == (len(rows), right, "chat: Run 1")
    assert {row["label"] for _, row in after if row["text"] == text} == {right}
    assert "with another answer" in saved[form.answers]
    again = form.save_known(context, selection, [exchange], (exchange.key, 0), right, "")
    assert "say so already" in again[form.answers]
    assert list(read_rows(task_dir(project, spec.task_id), "train")) == after
    assert [version.change for version in list_versions(project, "task 0")] == ["edit_row"]


def test_a_correction_of_a_check_row_says_so(place: Place) -> None:
    context, selection = place
    project = context.require_project(selection)
    spec, form = get_task(project, "task 0"), build_panel(Bench, context).correction
    practice = list(read_rows(task_dir(project, spec.task_id), "train"))
    asked = {str(row["text"]) for _, row in practice}
    rows = [row for _, row in read_rows(task_dir(project, spec.task_id), "validation")]
    text, wrong = next((str(row["text"]), str(row["label"])) for row in rows if str(row["text"]) not in asked)
    right = {"yes": "no", "no": "yes"}[wrong]
    exchange = over(build_exchange(context, selection, asking("tuned"), [text]), wrong)
    given = (context, selection, [exchange], (exchange.key, 0), right, "")
    saved = form.save_known(*given)[form.answers]
    assert "a row of the check set had this question with another answer; it has yours now" in saved
    assert "next training" not in saved
    again = form.save_known(*given)[form.answers]
    assert "Only the check set of task 0 has this question" in again
    assert "has not learned" not in again
    rows = [row for _, row in read_rows(task_dir(project, spec.task_id), "validation")]
    assert {row["label"] for row in rows if row["text"] == text} == {right}
    assert list(read_rows(task_dir(project, spec.task_id), "train")) == practice


def test_a_label_that_the_task_lacks_is_asked_about(place: Place) -> None:
    context, selection = place
    project = context.require_project(selection)
    exchange = over(build_exchange(context, selection, asking("tuned"), ["a new text"]), "yes")
    bench = build_panel(Bench, context)
    form, wanted = bench.correction, (exchange.key, 0)
    bench.click(context, selection, [exchange], click("correct", exchange, 0))
    asked = form.save_known(context, selection, [exchange], wanted, "nope", "")
    assert "no label that task 0 has so far" in asked[form.question]
    assert asked[form.new] == gr.update(visible=True)
    assert "nope" not in list_labels(project, "task 0")
    form.save_new(context, selection, [exchange], wanted, "nope", "")
    assert "nope" in list_labels(project, "task 0")


def test_a_free_answer_is_corrected_in_a_text_field(place: Place) -> None:
    context, selection = place
    asked = build_exchange(context, selection, asking("tuned", task="pairs"), ["what is 70", "it is 70 号"])
    exchange, bench = over(asked, "wrong"), build_panel(Bench, context)
    opened = bench.click(context, selection, [exchange], click("correct", exchange, 0))
    form = bench.correction
    assert (opened[form.label]["visible"], opened[form.text]["value"]) == (False, "wrong")
    form.save_known(context, selection, [exchange], opened[form.wanted], None, "70")
    spec = get_task(context.require_project(selection), "pairs")
    row = list(read_rows(task_dir(context.require_project(selection), spec.task_id), "train"))[-1][1]
    assert (row["question"], row["context"], row["answer"]) == ("what is 70", "it is 70 号", "70")


FOREIGN = (
    "Does warfarin interact with ibuprofen?",
    "def f(x): return x + 1",
    "你这个白痴，给我滚开",
    "¿Qué tiempo hará mañana en Sevilla?",
)


@pytest.mark.parametrize("text", FOREIGN)
def test_a_text_of_none_of_the_tasks_gets_no_answer(place: Place, text: str) -> None:
    context, selection = place
    screen = build_panel(TryIt, context)
    values = (AUTO, "text", "tuned", "nobody", "nobody", *SETTINGS, False, text)
    emptied, *_, shown = screen.answer(context, selection, [], REQUEST, *values)  # type: ignore[misc, arg-type]
    assert {emptied[field] for field in screen.fields} == {""}
    (refused,) = shown[screen.bench.asked]
    assert refused.is_refused
    assert refused.answers == ()
    html = shown[screen.bench.answers]
    assert "reads like none of your tasks" in html
    assert html.count('data-act="ask_as"') == 3  # whoever knows better chooses
    assert json.loads(to_json([refused]))[0]["answers"] == []
    chosen = ask_as(context, selection, refused, refused.offered.index("pairs"))
    assert (chosen.task, chosen.content) == ("pairs", {"question": text, "context": ""})
    assert "Take the answer as a guess" in exchange_view(over(chosen, "7"))


@pytest.mark.parametrize("text", ["", "  \n\t", "\u3000"])
def test_nothing_is_no_question(place: Place, text: str) -> None:
    for task in (AUTO, "task 0"):
        with pytest.raises(RunError, match="message is empty"):
            build_exchange(*place, asking("tuned", task=task), [text])
    with pytest.raises(RunError, match="message is empty"):
        build_exchange(*place, asking("tuned", task="pairs"), [text, text])
    with pytest.raises(RunError, match="characters"):
        build_exchange(*place, asking("tuned", task=AUTO), ["a" * 200_001])


def test_a_very_long_question_says_what_was_left_out(place: Place) -> None:
    context, selection = place
    exchange = build_exchange(context, selection, asking("tuned"), ["message 5 of task 0. " * 1000])
    done = context.chat.answer(request_to(context, selection, exchange, 0))
    html = exchange_view(exchange.with_answer(0, exchange.answers[0].after(done)))
    assert f"{done.num_cut} tokens of the question were left out" in html.partition('<details class="made"')[0]


def test_an_answer_says_how_sure_it_is_and_what_else_it_may_be(place: Place) -> None:
    context, selection = place
    exchange = build_exchange(context, selection, asking("tuned"), ["message 5 of task 0"])
    ranking = (("yes", 0.83), ("no", 0.17))
    done = ChatEvent(DONE, "yes", tokens=1, certainty=0.83, ranking=ranking)
    html = exchange_view(exchange.with_answer(0, exchange.answers[0].after(done)))
    assert "Fairly sure: 83 %" in html
    assert "17 %" in html
    assert 'data-act="again"' not in html  # the likeliest label would be the same again
    unknown = exchange_view(exchange.with_answer(0, exchange.answers[0].after(replace(done, certainty=None))))
    assert "it was not measured, or on fewer than 20 check rows" in unknown
    written = build_exchange(context, selection, asking("tuned", task="pairs"), ["what is 7", "it is 7 号"])
    assert "was not measured" not in exchange_view(over(written, "7"))


@pytest.mark.parametrize(("answer", "mark"), [("yes", "✓ right"), ("no", "✗ wrong"), (" YES ", "✓ right")])
def test_an_exam_question_shows_right_or_wrong(place: Place, answer: str, mark: str) -> None:
    context, selection = place
    exchange = build_exchange(context, selection, asking("tuned"), ["whatever 1"])
    exam = over(replace(exchange, expected="yes"), answer)
    assert mark in exchange_view(exam)
    assert json.loads(to_json([exam]))[0]["answers"][0]["right"] == float("right" in mark)
    assert "✓ right" not in exchange_view(over(exchange, answer))
    free = over(replace(exchange, expected="the cat sat", metric="rouge_l"), "the cat ran")
    assert "partly right: 67 of 100" in exchange_view(free)


def test_the_first_questions_are_offered_and_asked(place: Place) -> None:
    context, selection = place
    screen = build_panel(TryIt, context)
    shown = screen.draw(context, selection, None, [], None, *(["nobody"] * 3))
    assert shown[screen.task]["value"] == AUTO  # found by itself, where there are several
    assert shown[screen.fields[0]]["label"] == say("try.any_text")
    begin = shown[screen.bench.answers]
    assert begin.count('data-act="start"') == 3
    spec = next(spec for spec in specs_of(context, selection) if spec.name == "task 1")
    event = SimpleNamespace(_data={"act": "start", "key": spec.task_id, "place": 0})
    *_, last = screen.bench.again(context, selection, [], event, REQUEST)  # type: ignore[arg-type]
    (exchange,) = last[screen.bench.asked]
    assert exchange.answers[0].done is not None
    compare = click("compare", exchange, 0)
    *_, last = screen.bench.again(context, selection, [exchange], compare, REQUEST)  # type: ignore[arg-type]
    (both,) = last[screen.bench.asked]
    assert [answer.side.kind for answer in both.answers] == ["tuned", "base"]
    assert both.can_vote
    elsewhere = selection.with_run("another")  # the run that answered is asked, not the one chosen since
    assert with_untouched(context, elsewhere, exchange).answers[1].side == both.answers[1].side
    gone = replace(
        exchange, answers=(replace(exchange.answers[0], side=replace(exchange.answers[0].side, run_id="gone")),)
    )
    with pytest.raises(RunError, match="is not there any more"):
        with_untouched(context, selection, gone)
    with pytest.raises(RunError, match="has no task 'bills'"):
        ask_as(context, selection, replace(exchange, offered=("bills",)), 0)
    assert screen.clear(context, selection)[screen.bench.answers] == begin


def test_an_exam_question_never_enters_practice(place: Place) -> None:
    context, selection = place
    screen = build_panel(TryIt, context)
    text = screen.fill_example(context, selection, "task 0")[screen.fields[0]]["value"]
    exchange = over(build_exchange(context, selection, asking("tuned"), [text]), "wrong")
    assert exchange.expected in ("yes", "no")
    assert "Right answer of the exam" in exchange_view(exchange)
    assert "Correct" not in exchange_view(exchange)
    with pytest.raises(RunError, match="final exam"):
        screen.bench.click(context, selection, [exchange], click("correct", exchange, 0))


def test_versions_of_a_refined_answer_are_shown(place: Place) -> None:
    context, selection = place
    exchange = build_exchange(context, selection, asking("tuned"), ["x"])
    first = exchange.answers[0]
    for number, text in enumerate(("perhaps", "yes")):
        first = first.after(ChatEvent(DELTA, text))
        shown = [{"prompt": "like this", "answer": "yes"}] if number else []
        values = {"round": number, "valid": text == "yes", "examples": shown}
        first = first.after(ChatEvent(VERSION, text, values=values))
    done = first.after(ChatEvent(DONE, "yes", values={"reason": "valid", "rounds": 1, "valid": True}))
    html = exchange_view(exchange.with_answer(0, done))
    assert html.index("perhaps") < html.index("like this")
    assert "refined until valid" in html


def test_saved_conversations_hold_everything(place: Place) -> None:
    context, selection = place
    exchange = over(build_exchange(context, selection, asking("tuned", "base"), ["问题"]), "一", "二")
    record = json.loads(to_json([replace(exchange, vote=-1)]))[0]
    assert (record["question"], record["vote"]) == ("问题", "alike")
    assert [a["text"] for a in record["answers"]] == ["一", "二"]
    assert record["answers"][1]["who"] == "base"
    assert "> 问题" in in_language("zh", to_markdown, [exchange])


def test_a_file_is_answered_and_scored(place: Place, tmp_path: Path) -> None:
    context, selection = place
    path = tmp_path / "q.csv"
    path.write_text("text,label\nmessage 1,yes\nmessage 2,no\n", encoding="utf-8")
    outcomes = Outcomes(shown=selection.run_id)
    steps = list(answer_file(context, selection, outcomes, REQUEST, str(path), "task 0", *SETTINGS))
    assert "0 of 2 questions answered" in steps[0]
    final = draw_outcome(context, selection, outcomes)
    assert "2 questions answered" in final
    assert "answers.csv" in final
    with pytest.raises(RunError):
        list(answer_file(context, selection, outcomes, REQUEST, None, "task 0", *SETTINGS))


def two_only(request: ChatRequest, stop: threading.Event) -> Iterator[ChatEvent]:
    """Answers two questions, and is at work on all others until they are stopped."""
    if str(request.messages[0]["content"]) > "message 1":
        stop.wait(30)
    yield ChatEvent(DONE, "yes")


def test_a_file_belongs_to_its_run_and_a_stop_keeps_its_answers(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, selection = place
    path, outcomes, other = tmp_path / "q.csv", Outcomes(), selection.with_run("another")
    path.write_text("text\n" + "".join(f"message {i}\n" for i in range(9)), encoding="utf-8")
    monkeypatch.setattr(file_panel, "REDRAW_S", 0)
    monkeypatch.setattr(context.chat, "stream", two_only)
    given = (context, selection, outcomes, REQUEST, str(path), "task 0", *SETTINGS)
    draw_outcome(context, selection, outcomes)
    answering = answer_file(*given)
    assert "0 of 9" in next(answering)
    twice = answer_file(*given)  # a second click, before anything was answered, asks nothing twice
    assert list(twice) == [gr.skip()]
    assert "0 of 9" in draw_outcome(context, selection, outcomes)
    assert "2 of 9" in next(step for step in answering if "2 of 9" in step)
    assert draw_outcome(context, other, outcomes) == ""
    stop_file(context, selection, REQUEST)
    assert list(answering) == []
    assert draw_outcome(context, other, outcomes) == ""
    final = draw_outcome(context, selection, outcomes)
    assert "Ended after 2 of 9 questions." in final
    assert final.count("<td>yes") == 2


class Endless:
    """A client whose answers go on until they are stopped."""

    def stream(self, request: Any, wish: threading.Event) -> Iterator[ChatEvent]:
        while not wish.wait(0.01):
            yield ChatEvent(DELTA, "a")
        yield ChatEvent(DONE, "aa", stopped=True)


def test_one_question_at_a_time(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    context, selection = place
    screen, told = build_panel(TryIt, context), []
    monkeypatch.setattr("app.try_it.bench_panel.tell", told.append)
    values = ("task 0", "text", "tuned", "nobody", "nobody", *SETTINGS, False, "message 7")
    first = screen.answer(context, selection, [], REQUEST, *values)  # type: ignore[arg-type]
    assert screen.fields[0] in next(first)  # it is being answered: the field is empty again
    assert list(screen.answer(context, selection, [], REQUEST, *values)) == [gr.skip()]  # type: ignore[arg-type]
    assert told == [say("try.busy")]
    first.close()  # type: ignore[attr-defined]
    first = screen.answer(context, selection, [], REQUEST, *values)  # type: ignore[arg-type]
    assert screen.fields[0] in next(first)  # one that was closed at its beginning leaves the tab free
    assert [*first][-1][screen.bench.asked][0].answers[0].done
    *_, last = screen.answer(context, selection, [], REQUEST, *values)  # type: ignore[misc, arg-type]
    assert last[screen.bench.asked][0].answers[0].done


def test_an_answer_says_that_its_task_is_not_ready(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    context, selection = place
    run_dir = context.trained_run(selection)
    assert run_dir is not None
    before = over(build_exchange(context, selection, asking("tuned", "base"), ["a text"]), "yes", "no")
    assert "do not rely" not in exchange_view(before)  # no exam yet
    found = Verdict("task 0", BROKEN, "few_practice", Sentence("reason.few_practice", {"practice": 3}), "more_rows")
    monkeypatch.setattr(
        "app.try_it.columns.read_verdicts", lambda _: [found, replace(found, task="pairs", verdict=READY)]
    )
    (run_dir / "results.json").write_text("{}", encoding="utf-8")
    after = over(build_exchange(context, selection, asking("tuned", "base"), ["a text"]), "yes", "no")
    shown = exchange_view(after)
    assert shown.count("do not rely on this answer") == 1  # not beside the untouched model
    assert "is “broken”" in shown
    assert "Practice rows: 3" in shown
    both = over(build_exchange(context, selection, asking("tuned", "base", blind=True), ["a text"]), "yes", "no")
    assert "do not rely" not in exchange_view(both)  # it would tell who is who


def test_stop_ends_one_tab_only_and_keeps_its_text() -> None:
    stops = Stops()
    wishes = [stops.begin("mine"), stops.begin("other")]
    events = []
    request: Any = SimpleNamespace(session_hash="mine")
    for batch in stream_together(Endless(), [request, request], wishes[0]):  # type: ignore[arg-type]
        events += batch
        stop(SimpleNamespace(stops=stops), request)  # type: ignore[arg-type]
    assert sorted(place for place, event in events if event.kind == DONE) == [0, 1]
    assert not wishes[1].is_set()


def test_fields_are_read_in_their_order() -> None:
    values = ("task 0", "text", "tuned", "base", "nobody", 0.5, 0.9, None, 7, 2, "int8", True, True, "text", "more")
    read, texts = read_fields(values)
    assert (read.task, read.choices, read.blind) == ("task 0", ("tuned", "base", "nobody"), True)
    assert texts == ["text", "more"]
    assert read.settings == {
        "temperature": 0.5,
        "top_p": 0.9,
        "seed": 7,
        "max_new_tokens": None,
        "refine": 2,
        "precision": "int8",
        "answers": "free",
    }


def test_a_verdict_leads_to_its_task(place: Place) -> None:
    context, selection = place
    screen = build_panel(TryIt, context)
    shown = screen.bring(context, selection, {"task": "pairs"})
    assert shown[screen.task]["value"] == "pairs"
    assert [shown[field]["visible"] for field in screen.fields[:3]] == [True, True, False]
    assert screen.bring(context, selection, {"task": "gone"}) == {}
    assert screen.bring(context, selection, {"question": "?"}) == {}


def test_without_a_run_there_is_nothing_to_ask(tmp_path: Path) -> None:
    context = Context(Workspace(tmp_path), chat=ChatClient(log_path=tmp_path / "log"))
    with pytest.raises(gr.Error):
        build_exchange(context, Selection(), asking("tuned"), ["x"])
