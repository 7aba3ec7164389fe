"""chat RUN: questions and answers on the terminal"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, field
from typing import Any

from core.commands.ask import Finding, choose_task, require_task, sure, warn_of_foreign
from core.commands.output import Report, Verbs, add_verb
from core.commands.runs import find_run
from core.messages.plural import counted

HELP = (
    "/task NAME changes the task (auto: found by itself), /base and /tuned the model, /skills shows the weights, "
    "/right ANSWER corrects the last answer (/right! with a label that is new), /quit ends."
)


def add_parser(verbs: Verbs) -> None:
    parser = add_verb(verbs, "chat", chat, "talk to a trained run on the terminal")
    parser.add_argument("run", help="run id, or a unique beginning of it")
    which = "which task to begin with (default: found by itself, where the run has several)"
    parser.add_argument("--task", help=which)
    parser.add_argument("--temperature", type=float, default=0.0, help="0 takes the likeliest words (default)")
    parser.add_argument("--precision", default="full", help="int8 or int4 where this machine's libraries can")
    parser.add_argument("--max-tokens", type=int, metavar="N", help="longest answer")
    by = "tasks found by themselves are found by the run's router over the model's hidden states"
    parser.add_argument("--router", action="store_true", help=by)
    chosen = "labels (default): a task with labels answers the likeliest of them; free: it writes its answer"
    parser.add_argument("--answers", default="labels", metavar="HOW", help=chosen)


@dataclass
class Talk:
    """What the terminal is set to, and the questions so far with their answers."""

    args: argparse.Namespace
    folder: Any
    client: Any
    task: str
    tuned: bool = True
    with_skills: bool = False
    exchanges: list[dict[str, Any]] = field(default_factory=list)


def chat(args: argparse.Namespace) -> Report:
    from core.chat.client import ChatClient
    from core.chat.detecting import AUTO

    folder = find_run(args)
    names = [task["name"] for task in folder.read_run()["tasks"]]
    task = args.task or (AUTO if len(names) > 1 else names[0])
    talk = Talk(args, folder, ChatClient(), task if task == AUTO else require_task(folder, task))
    print(HELP, file=sys.stderr)
    try:
        for line in _lines(talk):
            if not line.startswith("/"):
                _answer(talk, line)
            elif _obey(talk, line):
                break
    except (EOFError, KeyboardInterrupt):
        print(file=sys.stderr)
    finally:
        talk.client.close()
    return Report({"run_id": folder.run_id, "exchanges": talk.exchanges})


def _lines(talk: Talk) -> Any:
    while True:
        is_shown = not talk.args.json and sys.stdin.isatty()
        text = input(f"{talk.task}{'' if talk.tuned else ' (base)'}> " if is_shown else "").strip()
        if text:
            yield text


def _obey(talk: Talk, line: str) -> bool:
    """Follows a command; True ends the chat."""
    from core.base.errors import TaskloomError
    from core.chat.detecting import AUTO

    word, _, rest = line.partition(" ")
    try:
        if word == "/task":
            talk.task = AUTO if rest.strip() == AUTO else require_task(talk.folder, rest.strip())
        elif word in ("/base", "/tuned"):
            talk.tuned = word == "/tuned"
        elif word == "/skills":
            talk.with_skills = not talk.with_skills
        elif word in ("/right", "/right!"):
            _correct(talk, rest.strip(), is_new=word == "/right!")
        elif word != "/quit":
            print(HELP, file=sys.stderr)
    except TaskloomError as error:
        print(error, file=sys.stderr)
    return word == "/quit"


def _correct(talk: Talk, right: str, is_new: bool) -> None:
    """The last question with its right answer becomes a practice row of its task.

    Raises:
        RunError: there is no question, or no answer was given. SettingError: a label that the task does not have.
    """
    from core.base.errors import RunError
    from core.tasks.changing.editing import CHAT, add_correction
    from core.tasks.changing.exam_questions import exam_answer
    from core.tasks.changing.label_check import known_answer
    from core.tasks.store import get_task
    from core.workspace import Workspace

    last = next((one for one in reversed(talk.exchanges) if one["task"]), None)
    if last is None or not right:
        raise RunError("chat.empty_answer")
    project = Workspace(talk.args.workspace).project_of_run(talk.folder.path.resolve())
    task_id = next(task["task_id"] for task in talk.folder.read_run()["tasks"] if task["name"] == last["task"])
    spec = get_task(project, task_id)
    if exam_answer(project, spec, last["content"]):
        raise RunError("chat.exam_question", task=spec.name)
    answer = known_answer(project, task_id, right, is_new)
    content = last["content"] if isinstance(last["content"], dict) else {spec.inputs[0]: last["content"]}
    done = add_correction(project, task_id, content, answer, f"{CHAT}: {talk.folder.read_run()['name']}")
    last["corrected"], spec = answer, done.task
    said = {
        "added": f"Practice row {spec.num_train} of {spec.name}; it counts from the next training on.",
        "replaced": f"The row of {spec.name} with this question has this answer now, from the next training on.",
        "known": f"The rows of {spec.name} give this answer already.",
        "check": f"The row of {spec.name} with this question is a check row: it has this answer now. Practice is "
        "as it was.",
        "check_known": f"Only the check set of {spec.name} has this question, with this answer already; check rows "
        "are not practised.",
    }
    print(said[done.how], file=sys.stderr)


def _answer(talk: Talk, text: str) -> None:
    """Streams one answer to the terminal; an error is told and the chat goes on."""
    from core.base.errors import TaskloomError

    exchange: dict[str, Any] = {"task": None, "tuned": talk.tuned, "input": text, "answer": ""}
    talk.exchanges.append(exchange)
    try:
        _ask(talk, text, exchange)
    except TaskloomError as error:  # the text is of none of the tasks, or too long
        print(error, file=sys.stderr)


def _ask(talk: Talk, text: str, exchange: dict[str, Any]) -> None:
    from core.chat.detecting import AUTO, by_columns
    from core.chat.protocol import ask
    from core.chat.routing import BY_STATES, BY_TEXT

    quiet = talk.args.json
    way = BY_STATES if talk.args.router else BY_TEXT
    task, blend = choose_task(talk.folder, talk.task, text, Finding(talk.client, way, quiet))
    if talk.task != AUTO and not quiet:
        warn_of_foreign(talk.folder, text)
    spec = next(spec for spec in talk.folder.read_tasks() if spec.name == task)
    content = by_columns(spec, text)
    exchange |= {"task": task, "content": content}
    how = {"temperature": talk.args.temperature, "max_new_tokens": talk.args.max_tokens}
    how |= {"precision": talk.args.precision, "answers": talk.args.answers}
    request = ask(
        talk.folder.path.resolve(), task, content, tuned=talk.tuned, blend=blend if talk.tuned else (), **how
    )
    for event in talk.client.stream(request):
        if event.kind == "delta" and not quiet:
            print(event.text, end="", flush=True)
        if event.is_last:
            exchange |= {"answer": event.text, "certainty": event.certainty}
            if not quiet:
                print()
            _tell(talk, event)


def _tell(talk: Talk, event: Any) -> None:
    """What stands under an answer: how sure it is, what was cut, the skills where they are asked for."""
    if event.kind == "error":
        print(event.message, file=sys.stderr)
        return
    said = [sure(event)] if sure(event) else []
    cut = counted(event.num_cut, "token of the question was|tokens of the question were")
    said += [f"{cut} left out"] if event.num_cut else []
    said += [", ".join(f"{w.name} {w.weight:.2f}" for w in event.weights)] if talk.with_skills else []
    for line in said:
        print(f"({line})", file=sys.stderr)
