"""The browser's address holds project, run and screen: back, forward, reload and links lead where they say.

A link only names ids. Whose they are is asked on the server as with every click, so that on a shared page a link to
somebody else's project leads nowhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

import gradio as gr

from app.drawing.markup import place_mark
from app.shell.context import Context
from app.shell.notices import tell
from app.shell.redraw import Shown
from app.shell.selection import Selection
from app.texts import say
from core.runs.summaries import list_summaries

LONGEST = 1000  # characters of an address that are looked at
# What a page that opens is asked for, before anything is written into its address.
ASKED = "(kept, _) => [kept, window.location.search]"
# The project or run was chosen on top: until the screen is drawn for it, it shows nobody else's things.
AWAIT = "(...given) => { window.taskloomAwait?.(); return given; }"

# One gesture of the user is one entry of the browser's history: what follows by itself (a run that ends, the second
# half of a jump) replaces it. A screen that is not yet drawn for what is chosen shows a skeleton; were that drawing
# be lost, the skeleton goes after a while. `told`: what is chosen; `seen`: what the open screen was drawn for.
_SCRIPT = """
const KEYS = ['project', 'run', 'screen'], PATIENCE_MS = 30000;
const stamp = where => (where?.querySelector('[data-place]')?.dataset.place || '').split('/');
const told = () => stamp(element);
const seen = () => stamp(document.getElementById('drawn-' + screen));
let gestures = 0, spent = 0, screen = '', before = null, exactly = false, awaited = null, patience = 0;
for (const kind of ['pointerdown', 'keydown']) window.addEventListener(kind, () => gestures++, true);

function write() {
  const [project, run, version] = told();
  if (!window.taskloomOpened || !version) return;
  const url = new URL(location.href), wanted = {project, run, screen};
  for (const key of KEYS) wanted[key] ? url.searchParams.set(key, wanted[key]) : url.searchParams.delete(key);
  const tab = document.getElementById(`tab-${screen}-button`)?.textContent.trim();
  const name = element.querySelector('[data-place]').dataset.name;
  document.title = [tab, name, 'Taskloom'].filter(Boolean).join(' · ');
  if (url.href === location.href) return;
  history[gestures === spent ? 'replaceState' : 'pushState'](history.state, '', url);
  spent = gestures;
}
function isBehind() {
  const now = told(), then = seen();
  if (!now[2] || now[0] !== then[0] || now[1] !== then[1]) return true;
  return exactly && (now[2] !== then[2] || (screen !== 'tasks' && now[3] !== then[3]));
}
function rest() {
  clearTimeout(patience); patience = 0; exactly = false; awaited = null;
  delete document.body.dataset.loading;
}
function settle() {
  if (awaited !== told().join('/') && !isBehind()) return rest();
  document.body.dataset.loading = '';
  patience ||= setTimeout(rest, PATIENCE_MS);
}
function look() {
  const now = told().join('/');
  if (now !== before) { before = now; write(); }
  settle();
}
window.taskloomScreen = name => { exactly ||= name !== screen; screen = name; write(); settle(); };
window.taskloomAwait = () => { awaited = told().join('/'); settle(); };
window.addEventListener('popstate', () => { spent = gestures; trigger('click', {search: location.search}); });
new MutationObserver(look).observe(element.closest('#place'), {subtree: true, childList: true, attributes: true});
screen = 'home'; settle();
"""


@dataclass(frozen=True)
class Place:
    """What an address asks for; '' where it says nothing."""

    project: str = ""
    run: str = ""
    screen: str = ""


class Address:
    """Nothing to be seen: the place that is chosen, and for each screen the place it was last drawn for."""

    def __init__(self, context: Context, screens: Sequence[str]) -> None:
        self.screens = tuple(name.removeprefix("tab.") for name in screens)
        with gr.Column(elem_id="place"):
            self.told = gr.HTML(elem_id="address", js_on_load=_SCRIPT)
            context.drawn = {f"tab.{name}": gr.HTML(elem_id=f"drawn-{name}") for name in self.screens}
        context.on_selection(lambda c, seen: place_mark(seen.place, _name(c, seen)), self.told)
        context.on_tick(leave_deleted, [context.selection], [context.selection])

    def wire(self, context: Context) -> None:
        """After the screens are built: back and forward open them."""
        moves = [context.selection, context.tabs]
        context.on(self.told.click, self.follow, [context.selection], moves, show_progress="hidden")

    def follow(self, context: Context, selection: Selection, event: gr.EventData) -> Shown:
        """Back or forward: the place that the address says now, as far as it is there."""
        place = place_of(event.search, self.screens)
        opened = gr.update(selected=f"tab.{place.screen or 'home'}")
        found = open_place(context, selection, place)
        return {context.tabs: opened} if found is selection else {context.selection: found, context.tabs: opened}


def place_of(search: Any, screens: Sequence[str]) -> Place:
    """What the part of an address behind the question mark asks for; a screen that there is not is none."""
    asked = parse_qs(str(search or "")[:LONGEST].removeprefix("?"))
    project, run, screen = (asked.get(name, [""])[0].strip() for name in ("project", "run", "screen"))
    return Place(project, run, screen if screen in screens else "")


def open_place(context: Context, selection: Selection, place: Place) -> Selection:
    """The selection at the project and run of an address. What is not there, or is somebody else's, is said in the
    same words, and then the selection stays where it is, drawn anew."""
    if not place.project or (place.project, place.run) == (selection.project_id, selection.run_id):
        return selection
    project = next((p for p in context.projects(selection) if p.project_id == place.project), None)
    if project is None:
        tell(say("address.no_project"), 8)
        return selection.touched()
    if not place.run:
        return context.open_project(selection, project.project_id)
    if all(run.run_id != place.run for run in list_summaries(project)):
        tell(say("address.no_run"), 8)
        return context.open_project(selection, project.project_id)
    return selection.with_project(project.project_id, place.run)


def leave_deleted(context: Context, selection: Selection) -> Shown:
    """A project that was deleted in another window is not shown any longer."""
    if not selection.project_id or context.project(selection) is not None:
        return gr.skip()
    return {context.selection: selection.with_project("").with_tour(0)}


def _name(context: Context, selection: Selection) -> str:
    project = context.project(selection)
    return project.name if project else ""
