"""The plan of a run: goal cards, a form with every setting, a YAML editor, all over one config as YAML text.

A form with a wrong value leaves the last usable config; the Ready card says what is wrong and Start is off.
"""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import gradio as gr

from app.drawing.forms import (
    FormField,
    build_field,
    form_values,
    kept_plan,
    level_choices,
    list_settings,
    read_form,
    read_yaml,
)
from app.drawing.run_markup import PlanState, readiness
from app.drawing.widgets import buttons_in, cards
from app.shell.context import Context
from app.shell.redraw import Shown
from app.shell.selection import Selection
from app.texts.words import Key
from app.train.plan_views import brought_view, check_plan, goal_cards, setting_offers
from core.base.errors import Problem, TaskloomError
from core.runs.folder import RunFolder
from core.tasks.store import list_tasks
from core.training.config import RunConfig, change_config, config_to_yaml
from core.training.equal_size import ACTIVE, TOTAL, match_size, plan_size
from core.training.goals import DEFAULT_GOAL, config_for_goal

GROUPS = ("model", "adapter", "training", "stage2", "mixture", "evaluation", "machine")
MOST_UNDO = 20


class Plan:
    """Components of the plan. `config` is a gr.State with the YAML text, `start` the button that uses it."""

    def __init__(self, context: Context) -> None:
        words = context.words
        self.fields: list[FormField] = []
        self.boxes: dict[str, Any] = {}  # "level:method" -> what only this adapter method shows
        if context.plan is None or not context.plan.value:  # a panel that stands alone
            context.plan = gr.State(config_to_yaml(config_for_goal(DEFAULT_GOAL)))
        self.config = context.plan
        self.past = gr.State([])  # earlier configs that a goal, a YAML text or a run has replaced, newest last
        self.held = gr.State({})  # edited fields that no config can be made of yet, by their keys
        self.saved = context.kept_plan or gr.State("")  # what the browser remembers of it over a reload
        self.reopened = gr.State("")
        self.brought = gr.HTML(elem_id="plan-brought")
        self.goals = cards("goals", "three")
        with gr.Column(visible=True, elem_classes="simple") as self.simple:
            self._build_fields(context, simple=True)
        with gr.Row(elem_id="start-row"):
            given = {"variant": "primary", "size": "lg", "elem_id": "start", "interactive": False, "scale": 4}
            self.start = words(gr.Button, Key("plan.start"), **given)
            given = {"size": "lg", "elem_id": "plan-undo", "visible": False, "min_width": 90, "scale": 1}
            self.undo = words(gr.Button, Key("plan.undo"), **given)
        self.ready = buttons_in("ready")
        given = {"choices": level_choices(), "value": "simple", "elem_id": "level"}
        self.level = words(gr.Radio, label=Key("plan.level"), **given)
        with gr.Column(visible=False, elem_classes="detailed") as self.detailed:
            self._build_fields(context, simple=False)
        with gr.Column(visible=False) as self.expert:
            given = {"label": Key("plan.yaml"), "language": "yaml", "interactive": True, "max_lines": 40}
            self.yaml = words(gr.Code, self.config.value, **given, elem_id="yaml")
            self.apply_yaml = words(gr.Button, Key("plan.yaml_apply"), size="sm", elem_id="yaml-apply")
        self._wire(context)

    def _build_fields(self, context: Context, simple: bool) -> None:
        """Simple holds the few settings marked so; Detailed holds all others by group, expert ones too."""
        wanted = [s for s in list_settings() if (s[1].level == "simple") == simple]
        for group in GROUPS:
            members = [s for s in wanted if s[1].group == group]
            if not members:
                continue
            if simple:
                self._build_group(context, members, "simple")
                continue
            unfolded = group in ("model", "adapter")
            with context.words(gr.Accordion, label=Key(f"group.{group}"), open=unfolded, elem_id=f"fold-{group}"):
                self._build_group(context, members, "detailed")
                if group == "adapter":
                    self._build_equal(context)

    def _build_group(self, context: Context, members: list[Any], level: str) -> None:
        """The widgets of one group; those of an adapter method stand in a box that only this method shows."""
        for method in dict.fromkeys(method for _, _, method in members):
            with gr.Row(visible=method in (None, RunConfig().method), elem_classes="fields") as box:
                for name, info, owner in members:
                    if owner == method:
                        self.fields.append(build_field(context.words, name, info, method, setting_offers(name)))
            if method:
                self.boxes[f"{level}:{method}"] = box

    def _build_equal(self, context: Context) -> None:
        """The buttons that set the rank; only for methods whose size is one."""
        with gr.Row(visible=plan_size(RunConfig(), 1) is not None, elem_id="equal") as self.equal_row:
            self.equal = {
                way: context.words(gr.Button, Key(f"plan.equal_{way}"), size="sm", elem_id=f"equal-{way}")
                for way in (ACTIVE, TOTAL)
            }

    def _wire(self, context: Context) -> None:
        widgets = [field.widget for field in self.fields]
        shown = self._shown_in()
        quiet: dict[str, Any] = {"show_progress": "hidden"}
        levels = [self.simple, self.detailed, self.expert]
        context.on(self.level.change, self.show_level, [self.level], levels, **quiet)
        self._wire_fields(context, shown, widgets)
        given, all_of_it = [context.selection, self.config, self.past], [*self._kept(), *shown, *widgets]
        context.on(self.goals.click, self.use_goal, given, all_of_it, **quiet)
        for way, button in self.equal.items():
            context.on(button.click, partial(self.use_size, way=way), given, all_of_it, **quiet)
        moved = [context.selection, context.tabs, *all_of_it]
        context.on(self.ready.click, self.use_fix, given, moved, **quiet)
        context.on(self.apply_yaml.click, self.use_yaml, [*given, self.yaml], all_of_it)
        self.wish = gr.State({})  # what a jump brought: an event of its own fills the many fields
        context.on_preset(lambda _, seen, values: {self.wish: {**values, "jump": seen.version}}, [self.wish])
        context.on(self.wish.change, self.use_wish, [*given, self.wish], all_of_it, **quiet)
        context.on(self.undo.click, self.go_back, given, all_of_it, **quiet)
        seen, drawn = [self.config, self.held], [self.goals, self.ready, self.start]
        context.on_selection(self.draw, drawn, seen)
        whole = [self.reopened, *self._form_parts(), *widgets]
        context.on(context.page.load, self.reopen, [self.saved], whole, **quiet)
        context.on(self.reopened.change, self.draw, [context.selection, *seen], drawn, **quiet)

    def reopen(self, _: Context, kept: Any) -> Shown:
        """The plan that this browser had last; else only the empty number fields, which count as 0 in the browser
        until they are told once that they are empty. Never later, so that nothing typed is taken away."""
        config = kept_plan(kept)
        if config is None:
            blank = [field for field in self.fields if field.info.optional]
            return self._filled(read_yaml(self.config.value), blank)
        return {self.reopened: kept, **self._form(config), **self._filled(config, self.fields)}

    def _wire_fields(self, context: Context, shown: list[Any], widgets: list[Any]) -> None:
        """An event a field, since the browser pays for every input of an event with every later event. One after
        the other, so that none starts from a config that another is about to replace."""
        for field in self.fields:
            whole = field.name == "method"  # brings its own settings, which the fields show
            outputs = [self.held, *shown, *widgets] if whole else [self.held, *shown]
            context.on(
                field.widget.input,
                partial(self.use_field, key=field.key, whole=whole),
                [context.selection, self.config, self.held, field.widget],
                outputs,
                trigger_mode="always_last",
                show_progress="hidden",
                concurrency_id="plan",
            )

    def _shown_in(self) -> list[Any]:
        """The components that `_shown` fills."""
        return [*self._form_parts(), self.goals, self.ready, self.start]

    def _form_parts(self) -> list[Any]:
        """The components that `_form` fills."""
        return [self.config, self.saved, self.brought, self.yaml, *self.boxes.values(), self.equal_row]

    def _kept(self) -> list[Any]:
        return [self.past, self.undo, self.held]

    def take_over(self, context: Context, button: Any) -> None:
        """A button elsewhere that brings the settings of the chosen run back into this plan."""
        widgets = [field.widget for field in self.fields]
        given = [context.selection, self.config, self.past]
        context.on(button.click, self.use_run, given, [*self._kept(), *self._shown_in(), *widgets])

    def show_level(self, _: Context, level: str) -> Shown:
        """Simple stays above Detailed: a level shows more of the same config."""
        return {
            self.simple: gr.update(visible=level != "yaml"),
            self.detailed: gr.update(visible=level == "detailed"),
            self.expert: gr.update(visible=level == "yaml"),
        }

    def use_run(self, context: Context, selection: Selection, text: str, past: list[str]) -> Shown:
        run_dir = context.run_dir(selection)
        config = RunFolder(run_dir).read_config() if run_dir else RunConfig()
        return self._replaced(context, selection, config, [*past, text])

    def use_wish(
        self, context: Context, selection: Selection, text: str, past: list[str], wish: dict[str, Any]
    ) -> Shown:
        """Another screen brings a plan that is ready to start; Undo gives the earlier one back:

            context.go_to(selection, "train", changes={"max_tokens": 768}, of_run=True)

        `changes` are settings of RunConfig or `adapter.<setting>`, laid over the settings of the chosen run, or
        over the plan as it stands without `of_run`.

        Raises:
            SettingError: a setting that is unknown, or a value that does not fit.
        """
        run_dir = context.run_dir(selection) if wish.get("of_run") else None
        config = RunFolder(run_dir).read_config() if run_dir else read_yaml(text)
        changed = change_config(config, wish.get("changes", {}))
        shown = self._replaced(context, selection, changed, [*past, text])
        return {**shown, self.brought: brought_view(config, changed, run_dir, wish.get("changes", {}))}

    def use_fix(
        self, context: Context, selection: Selection, text: str, past: list[str], event: gr.EventData
    ) -> Shown:
        """A remedy of the Ready card: its settings are applied, or the screen is opened where rows are mended."""
        if event.act != "fix":
            screen, _, opened = str(event.act).partition(":")
            return context.go_to(selection.with_task(str(event.id)), screen, **({opened: True} if opened else {}))
        config = change_config(read_yaml(text), json.loads(str(event.id)))
        return self._replaced(context, selection, config, [*past, text])

    def go_back(self, context: Context, selection: Selection, text: str, past: list[str]) -> Shown:
        """Undo: the settings as they were before a goal, a YAML text or a run replaced them."""
        *older, last = past or [text]
        return self._replaced(context, selection, read_yaml(last), older)

    def _replaced(self, context: Context, selection: Selection, config: RunConfig, past: list[str]) -> Shown:
        """Everything shows another config; `past` is what Undo can bring back."""
        kept = past[-MOST_UNDO:]
        undo = {self.past: kept, self.undo: gr.update(visible=bool(kept)), self.held: {}}
        return {**undo, **self._shown(context, selection, config), **self._filled(config, self.fields)}

    def use_field(
        self,
        context: Context,
        selection: Selection,
        text: str,
        held: dict[str, Any],
        value: Any,
        *,
        key: str,
        whole: bool = False,
    ) -> Shown:
        """A field was edited: config, YAML and Ready card follow; the fields keep what the user typed. Edits that
        no config can be made of are held until they are put right. `whole`: all fields show the new config."""
        edits = {**held, key: value}
        chosen = [field for field in self.fields if field.key in edits]
        try:
            config = read_form(chosen, [edits[field.key] for field in chosen], read_yaml(text))
        except TaskloomError as error:
            return {self.held: edits, **self._unusable(Problem("form", error.key, error.values))}
        fields = self._filled(config, self.fields) if whole else {}
        return {self.held: {}, **self._shown(context, selection, config), **fields}

    def use_goal(
        self, context: Context, selection: Selection, text: str, past: list[str], event: gr.EventData
    ) -> Shown:
        """A goal card was chosen: its settings replace those that goals differ in, the rest stays."""
        config = config_for_goal(str(event.id), read_yaml(text))
        unchanged = config_to_yaml(config) == text
        return self._replaced(context, selection, config, past if unchanged else [*past, text])

    def use_size(self, context: Context, selection: Selection, text: str, past: list[str], *, way: str) -> Shown:
        """The rank becomes the one at which the method is as large as C-Poly with its defaults."""
        tasks = list_tasks(context.require_project(selection))
        config = match_size(read_yaml(text), max(1, len(tasks)), way)
        unchanged = config_to_yaml(config) == text
        return self._replaced(context, selection, config, past if unchanged else [*past, text])

    def use_yaml(self, context: Context, selection: Selection, text: str, past: list[str], wanted: str) -> Shown:
        """The YAML text was applied: the form shows it. A wrong text is refused as a whole."""
        return self._replaced(context, selection, read_yaml(wanted), [*past, text])

    def draw(self, context: Context, selection: Selection, text: str, held: dict[str, Any]) -> Shown:
        """Goal cards, Ready card and Start button as the config has them; fields and YAML keep what is typed. While
        a field holds what no config can be made of, the card says so and Start stays off."""
        shown = self._shown(context, selection, read_yaml(text))
        return {part: shown[part] for part in ((self.goals,) if held else (self.goals, self.ready, self.start))}

    def _shown(self, context: Context, selection: Selection, config: RunConfig) -> Shown:
        """All that follows from a config, but for the fields."""
        state = check_plan(context, selection, config)
        return {
            **self._form(config),
            self.goals: goal_cards(config),
            self.ready: readiness(state),
            self.start: gr.update(interactive=state.ready),
        }

    def _form(self, config: RunConfig) -> Shown:
        """What follows from a config alone, but for the fields."""
        boxes = {box: gr.update(visible=key.split(":")[1] == config.method) for key, box in self.boxes.items()}
        equal = {self.equal_row: gr.update(visible=plan_size(config, 1) is not None)}
        texts = dict.fromkeys((self.config, self.saved, self.yaml), config_to_yaml(config))
        return {**texts, self.brought: "", **boxes, **equal}

    def _filled(self, config: RunConfig, fields: list[FormField]) -> Shown:
        return dict(zip((field.widget for field in fields), form_values(fields, config), strict=True))

    def _unusable(self, problem: Problem) -> Shown:
        """The form holds a wrong value: the last usable config stays, and Start is off until the form is right."""
        return {self.ready: readiness(PlanState([problem])), self.start: gr.update(interactive=False)}
