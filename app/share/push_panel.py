"""Push to the Hub from the page: the export is made by another process, the upload by this one.

The token is the one that was typed, the visitor's own login on a Space, or, on one's own machine, that of
`hf auth login`. It is never stored, logged or handed to another process; on a shared page the machine's own login
is nobody's to use.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from app.drawing.markup import badge, esc, note
from app.share.wishes import Choice
from app.shell.context import Context
from app.shell.outcomes import draw_after
from app.shell.redraw import Shown
from app.shell.run_command import run_errand
from app.shell.selection import Selection
from app.shell.upload_folders import new_export_folder
from app.shell.visitors import signed_in_token
from app.texts import say
from app.texts.language import current_language
from app.texts.words import Key, Words
from core.base.errors import RunError
from core.export.card import OF_ALL_TASKS
from core.export.hub import PushWish, login_token, push_folder

SHOWN_EXAMPLES = "2"


class PushPanel:
    """Name, visibility, token and the button; the outcome below. `choice`: kind, task and consent of the screen,
    `choice_of` them as what an outcome belongs to, `wishes` the page's outcomes."""

    def __init__(
        self, context: Context, choice: list[Any], wishes: Any, choice_of: Callable[..., Choice | None]
    ) -> None:
        self.choice_of = choice_of
        with context.words(gr.Accordion, label=Key("share.push"), open=False, elem_id="share-push"):
            self.about = gr.HTML()
            self._build_address(context.words)
            self.button = context.words(gr.Button, Key("share.push_now"), elem_id="push-now")
            self.outcome = gr.HTML(elem_id="push-outcome")
        chosen, quiet = [context.selection, *choice, wishes], {"show_progress": "hidden"}
        context.on_selection(self.draw, [self.about])
        context.on_selection(self.draw_outcome, [self.outcome], [*choice, wishes])
        for field in choice:
            context.on(field.input, self.draw_outcome, chosen, [self.outcome], **quiet)
        given = [*chosen, self.repo, self.private, self.token]
        seldom = {"show_progress": "full", "concurrency_limit": 2}
        pushed = context.on(self.button.click, self.push_files, given, [self.outcome, self.token], **seldom)
        draw_after(context, pushed, self.draw_outcome, chosen, [self.outcome])

    def _build_address(self, words: Words) -> None:
        given = {"label": Key("share.repo"), "info": Key("share.repo_help"), "placeholder": "clinic-notes"}
        self.repo = words(gr.Textbox, **given, max_lines=1, elem_id="push-repo")
        self.private = words(gr.Checkbox, label=Key("share.private"), value=True, elem_id="push-private")
        given = {"label": Key("share.token"), "info": Key("share.token_help"), "type": "password"}
        self.token = words(gr.Textbox, **given, max_lines=1, elem_id="push-token")

    def draw(self, context: Context, _: Selection) -> Shown:
        """Whose login is used."""
        has_login = not context.shared and bool(login_token())
        return {self.about: note(say("share.login_found" if has_login else "share.login_needed"))}

    def draw_outcome(self, context: Context, selection: Selection, *values: Any) -> Shown:
        """What was pushed of the choice that is shown."""
        *chosen, wishes = values
        choice = self.choice_of(context, selection, *chosen)
        return {self.outcome: wishes.pushed.get(choice, "") if choice else ""}

    def push_files(self, context: Context, selection: Selection, *values: Any) -> Shown:
        """The address it went to; the token field is emptied."""
        kind, task, examples, wishes, repo, private, typed = values
        run_dir = context.trained_run(selection)
        if run_dir is None:
            return {self.outcome: "", self.token: ""}
        token = choose_token(context, typed)
        folder, choice = new_export_folder(run_dir.name), self.choice_of(context, selection, kind, task, examples)
        try:
            with context.at_work(selection, "push"):
                made = run_errand(context.workspace.root, *export_words(run_dir, folder, kind, task, examples))[0]
                done = push_folder(Path(made["folder"]), PushWish(repo or "", kind, private=bool(private)), token)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        link = f'<a href="{esc(done.url)}" target="_blank" rel="noopener">{esc(done.repo)}</a>'
        wishes.pushed[choice] = f"<p class='say'>{badge(say('share.pushed'), 'good')} {link}</p>"
        return {self.token: ""}  # the outcome is drawn for the choice that is shown by then


def choose_token(context: Context, typed: str | None) -> str:
    """The token to push with.

    Raises:
        RunError: there is none.
    """
    token = (typed or "").strip() or signed_in_token()
    if not token and not context.shared:
        token = login_token()
    if not token:
        raise RunError("push.no_login")
    return token


def export_words(run_dir: Path, folder: Path, kind: str, task: str | None, examples: bool) -> list[str]:
    """The export command for one choice on the screen."""
    chosen = [] if kind in OF_ALL_TASKS or not task else [f"--task={task}"]
    shown = ["--examples", SHOWN_EXAMPLES] if examples else []
    spoken = ["--language", current_language()]
    return ["export", run_dir.name, str(folder / "files"), "--as", kind, *chosen, *shown, *spoken]
