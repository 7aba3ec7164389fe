"""Assembles the workbench: head, tour, a tab a screen, job bar. A new screen is one package of `app/` and one line
here."""

from __future__ import annotations

import contextlib
import logging
import secrets
from typing import Any

import gradio as gr

from app.drawing.widgets import PLOT_FILES
from app.frame.address import ASKED, Address, open_place, place_of
from app.frame.api import build_api
from app.frame.head import Head
from app.frame.job_bar import IDLE_TICK_S, JobBar
from app.frame.tour import Tour
from app.grow import screen as grow
from app.home import screen as home
from app.results import screen as results
from app.share import screen as share
from app.shell.context import Context, Poll
from app.shell.lean_page import LeanPage
from app.shell.selection import Selection, selection_from_prefs, selection_to_prefs
from app.shell.upload_folders import KEPT_S, LOOK_EVERY_S
from app.shell.visitors import owner_of_visit, take_along
from app.skills import screen as skills
from app.tasks import screen as tasks
from app.texts import say
from app.texts.language import in_language
from app.texts.words import Key
from app.train import screen as train
from app.try_it import screen as try_it
from core.base.errors import WorkspaceError
from core.base.files import write_text_atomic
from core.messages.locales import LANGUAGES
from core.training.config import config_to_yaml
from core.training.goals import DEFAULT_GOAL, config_for_goal

LOG = logging.getLogger("taskloom.app")

# A tab that was clicked while the page opened is the one that is shown.
OPENED = """kept => {
  window.taskloomOpened = true;
  window.taskloomOpenedAt ??= Date.now();
  const tab = document.querySelector('[role=tab][aria-selected=true]');
  const opened = tab ? tab.id.replace('-button', '').replace('tab-', 'tab.') : kept;
  window.taskloomScreen?.((opened || 'tab.home').replace('tab.', ''));
  return opened;
}"""
# Home is chosen by itself while the page opens: that is nobody's choice.
CHOSEN = "kept => { if (!window.taskloomOpened) return kept; window.taskloomScreen?.('%s'); return 'tab.%s'; }"
# A page that slept for long with its laptop, or outlived a restart of the app, is forgotten by the server: what
# it shows is no longer what its buttons act on. Opened anew it finds its way back. Never in the first minute, when
# a slow machine may not have answered yet.
REOPEN = "() => { if (Date.now() - (window.taskloomOpenedAt ?? Infinity) > 60000) window.location.reload(); }"
TABS = (home, tasks, train, results, skills, grow, try_it, share)
SCREENS = tuple(tab.TITLE.removeprefix("tab.") for tab in TABS)


def build_workbench(context: Context) -> gr.Blocks:
    """The whole interface over one workspace.

    Nothing in it belongs to one user: what a visitor looks at lives in the session's Selection, what the browser
    remembers in BrowserState.
    """
    gr.set_static_paths([str(path) for path in PLOT_FILES])
    with LeanPage(title=say("app.title"), analytics_enabled=False, delete_cache=(LOOK_EVERY_S, KEPT_S)) as demo:
        context.page, context.selection = demo, gr.State(Selection())
        context.clock, context.plan = gr.Timer(IDLE_TICK_S), gr.State(config_to_yaml(config_for_goal(DEFAULT_GOAL)))
        secret = context.key = browser_secret(context)
        prefs = gr.BrowserState({}, storage_key="taskloom", secret=secret)
        screen = context.open_screen = gr.BrowserState("", storage_key="taskloom-screen", secret=secret)
        context.kept_plan = gr.BrowserState("", storage_key="taskloom-plan", secret=secret)
        build_api(context)  # first, so that no other event takes one of its names
        address = Address(context, [tab.TITLE for tab in TABS])
        Head(context)
        tour = Tour(context)
        with gr.Tabs(selected=TABS[0].TITLE) as context.tabs:
            for tab in TABS:
                context.screen = tab.TITLE
                name = tab.TITLE.replace(".", "-")
                with context.words(gr.Tab, Key(tab.TITLE), id=tab.TITLE, elem_id=name) as page:
                    tab.build(context)
                keep = CHOSEN.replace("%s", tab.TITLE.removeprefix("tab."))
                page.select(None, screen, screen, js=keep, api_visibility="private")
        context.screen = ""
        JobBar(context)
        reopen_when_forgotten(context)
        tour.wire(context)
        context.wire_ticks()
        # Two steps, since an event with many outputs costs the browser time even when it changes nothing.
        spoken = gr.State(LANGUAGES[0])
        context.on_selection(lambda _, selection: selection.language, spoken)
        context.on(spoken.change, speak, [spoken], context.words.components, show_progress="hidden")
        context.on_selection(lambda _, selection: selection_to_prefs(selection), prefs)
        context.wire_redraws()
        address.wire(context)
        wire_opening(context, prefs, address.told)
    return demo


def wire_opening(context: Context, prefs: Any, address: Any) -> None:
    """A page that is opened shows what its address asks for, else where its browser was."""
    once: dict[str, Any] = {"show_progress": "hidden", "concurrency_limit": None, "js": ASKED}
    context.on(context.page.load, open_page, [prefs, address], context.selection, **once)
    opened = context.on(context.page.load, open_screen, [context.open_screen, address], context.tabs, **once)
    opened.then(None, context.open_screen, context.open_screen, js=OPENED, api_visibility="private")


def open_page(context: Context, prefs: Any, search: Any, request: gr.Request) -> Selection:
    """A page was opened or reloaded: what its address asks for, else where this browser was, or the newest."""
    selection = selection_from_prefs(prefs, request.headers.get("accept-language", ""), context.shared)
    owner = owner_of_visit(selection.owner, request, context.shared)
    take_along(context.workspace, selection.owner, owner)
    selection = find_place(context, selection.with_owner(owner))
    place = place_of(search, SCREENS)
    return in_language(selection.language, open_place, context, selection, place)


def find_place(context: Context, selection: Selection) -> Selection:
    """Where this browser was, as far as it is still there."""
    projects = context.projects(selection)
    known = next((p for p in projects if p.project_id == selection.project_id), projects[-1] if projects else None)
    if known is None:
        return selection.with_project("")
    if known.project_id != selection.project_id or context.run_dir(selection) is None:
        return context.open_project(selection, known.project_id)
    return selection.touched()


def reopen_when_forgotten(context: Context) -> None:
    forgotten = gr.State(False)
    context.polls.append(Poll(find_forgotten, [context.selection], [forgotten]))  # reads nobody's data
    forgotten.change(None, js=REOPEN, api_visibility="private")


def find_forgotten(selection: Selection) -> Any:
    """-> True for a page whose session the server does not know: every opened one has counted a change."""
    return gr.skip() if selection.version else True


def open_screen(_: Context, kept: Any, search: Any) -> Any:
    """The screen that the address asks for, else the one this browser was on; a first visit starts at Home."""
    asked = place_of(search, SCREENS).screen or str(kept).removeprefix("tab.")
    return gr.update(selected=f"tab.{asked}") if asked in SCREENS else gr.skip()


def speak(context: Context, language: str) -> list[Any]:
    """Words every component anew: the language has changed."""
    return context.words.updates(language)


def browser_secret(context: Context) -> str:
    """Encrypts what browsers remember; kept in the workspace, so that a restart of the app forgets nobody."""
    path = context.workspace.root / "browser.key"
    with contextlib.suppress(OSError, UnicodeDecodeError):
        if known := path.read_text(encoding="ascii").strip():
            return known
    made = secrets.token_hex(32)
    try:
        write_text_atomic(path, made)
        path.chmod(0o600)
    except (OSError, WorkspaceError) as error:
        LOG.warning("browsers are forgotten when the app ends: %s", error)
    return made
