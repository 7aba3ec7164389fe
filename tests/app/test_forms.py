"""The form knows no setting by name: every setting gets a field, and config -> form -> config loses nothing."""

from __future__ import annotations

import dataclasses

import gradio as gr
import pytest

from app.drawing.forms import build_field, differences, form_values, list_settings, read_form
from app.texts import word_error, word_value
from app.texts.language import in_language
from app.texts.words import Words
from app.train.screen import buttons_for
from core.adapters.registry import METHODS
from core.base.errors import SettingError
from core.base.settings import describe_settings, setting
from core.runs.rerun import Remedy
from core.runs.states import RunStatus
from core.training.config import RunConfig, change_config, config_from_yaml, config_to_yaml
from core.training.goals import GOALS, config_for_goal


@pytest.fixture
def fields():
    with gr.Blocks():
        words = Words()
        return [build_field(words, name, info, method) for name, info, method in list_settings()]


def shown_by(fields, config: RunConfig, before: list[object] | None = None) -> list[object]:
    """What the widgets hold after the form was told the config: a skipped widget keeps its value."""
    told = form_values(fields, config)
    kept = before or [field.info.default for field in fields]
    return [old if new == gr.skip() else new for old, new in zip(kept, told, strict=True)]


def test_every_setting_of_every_method_has_a_field(fields) -> None:
    names = {(field.name, field.method) for field in fields}
    assert {(info.name, None) for info in describe_settings(RunConfig)} <= names
    for method in METHODS:
        for info in describe_settings(method.config_class):
            assert (f"adapter.{info.name}", method.name) in names


def test_choices_are_shown_in_words_and_hold_what_a_config_calls_them(fields) -> None:
    chosen = [field for field in fields if field.info.choices]
    assert {"schedule", "mixture", "adapter.combine"} <= {field.name for field in chosen}
    for field in chosen:
        assert [value for _, value in field.widget.choices] == list(field.info.choices)


def test_the_choices_follow_the_language() -> None:
    with gr.Blocks():
        words = Words()
        info = next(info for info in describe_settings(RunConfig) if info.name == "schedule")
        build_field(words, "schedule", info, None)
    (english,), (chinese,) = words.updates("en"), words.updates("zh")
    assert english["choices"][1] == ("half a wave (cosine)", "cosine")
    assert chinese["choices"][1] == ("余弦下降（cosine）", "cosine")


def test_an_error_names_a_setting_as_its_field_is_labelled() -> None:
    values = {"name": "warmup", "value": 2, "bound": 0.9}
    assert "Setting Warm-up (warmup) is 2, above" in word_error("setting.high", values)[0]
    assert "“预热（warmup）”的值 2 大于上限 0.9" in in_language("zh", word_error, "setting.high", values)[0]
    assert "Setting nonsense is 2" in word_error("setting.high", {**values, "name": "nonsense"})[0]


def test_values_of_settings_are_read_as_words() -> None:
    assert in_language("zh", word_value, "schedule", "cosine") == "余弦下降（cosine）"
    assert in_language("zh", word_value, "adapter.combine", "mix") == "先对因子求平均（mix）"
    assert [in_language("zh", word_value, "exam_base", value) for value in (True, False, None)] == ["是", "否", "–"]
    assert word_value("method", "private_lora") == "LoRA (one per task)"
    assert word_value("epochs", 3.0) == "3.0"
    assert word_value("schedule", "sawtooth") == "sawtooth"  # of a method that was added, not worded


@pytest.mark.parametrize("method", METHODS.names())
@pytest.mark.parametrize("goal", GOALS.names())
def test_config_to_form_and_back_loses_nothing(fields, method: str, goal: str) -> None:
    config = config_for_goal(
        goal, change_config(RunConfig(), {"method": method, "seed": 7, "learning_rate_skills": 1e-4})
    )
    values = shown_by(fields, config)
    assert read_form(fields, values, RunConfig()) == config
    assert config_from_yaml(config_to_yaml(config)) == config


def test_numbers_come_back_from_the_browser_as_floats_and_none(fields) -> None:
    values = shown_by(fields, RunConfig())
    place = {field.name: i for i, field in enumerate(fields) if field.method is None}
    values[place["batch_size"]] = 8.0
    values[place["exam_rows"]] = None
    config = read_form(fields, values, RunConfig())
    assert config.batch_size == 8
    assert isinstance(config.batch_size, int)
    assert config.exam_rows is None


@pytest.mark.parametrize(
    ("name", "value"), [("batch_size", None), ("batch_size", 0), ("batch_size", 2.5), ("mixture", "x")]
)
def test_a_wrong_field_is_named(fields, name: str, value: object) -> None:
    values = shown_by(fields, RunConfig())
    values[[f.name for f in fields].index(name)] = value
    with pytest.raises(SettingError, match=name):
        read_form(fields, values, RunConfig())


def test_only_the_fields_of_the_chosen_method_count(fields) -> None:
    first, second = METHODS.names()[:2]
    values = shown_by(fields, change_config(RunConfig(), {"method": first}))
    values[[f.name for f in fields].index("method")] = second
    config = read_form(fields, values, RunConfig())
    assert isinstance(config.adapter, METHODS.get(second).config_class)


def test_a_setting_added_later_gets_a_field_by_itself() -> None:
    @dataclasses.dataclass(frozen=True)
    class Later:
        strength: float = setting(0.5, label="Strength", help="How strong.", unit="steps", minimum=0)
        named: str = setting("a", label="Named", help="Which.", choices=("a", "b"))
        on: bool = setting(True, label="On", help="Whether.")

    with gr.Blocks():
        words = Words()
        built = [build_field(words, info.name, info, None).widget for info in describe_settings(Later)]
    assert [type(widget) for widget in built] == [gr.Number, gr.Dropdown, gr.Checkbox]
    assert built[0].label == "Strength (steps)"
    assert "步" in words.updates("zh")[0]["label"]


def test_differences_name_what_was_changed() -> None:
    changed = change_config(RunConfig(), {"batch_size": 3})
    assert [(name, new) for name, _, new in differences(changed)] == [("batch_size", 3)]
    assert differences(RunConfig()) == []


def test_no_group_of_settings_is_missing_from_the_form() -> None:
    from app.texts import TEXTS
    from app.train.plan import GROUPS

    assert {info.group for _, info, _ in list_settings()} <= set(GROUPS)
    assert all(f"group.{group}" in TEXTS["en"] for group in GROUPS)


def test_a_field_that_may_be_empty_is_told_so_when_the_page_opens(tmp_path) -> None:
    """In the browser an empty number field counts as 0 until it was given None."""
    from app.shell.context import Context
    from app.shell.selection import Selection
    from app.train.plan import Plan
    from core.workspace import Workspace

    context = Context(Workspace(tmp_path))
    with gr.Blocks() as context.page:
        context.selection, context.clock = gr.State(Selection()), gr.Timer(6)
        with gr.Tabs() as context.tabs, gr.Tab():
            plan = Plan(context)
    widgets = {field.widget._id: field.name for field in plan.fields if field.info.optional}
    (event,) = (fn for fn in context.page.fns.values() if (context.page._id, "load") in fn.targets)
    told = event.fn("")
    assert {block._id for block in told} == set(widgets)
    empty = [widgets[block._id] for block, value in told.items() if value is None]
    assert {"max_steps", "evaluate_every", "num_threads"} <= set(empty)


@pytest.mark.parametrize(
    ("status", "there"),
    [
        (RunStatus("running"), {"stop", "cancel"}),
        (RunStatus("stopping"), {"kill"}),
        (RunStatus("stalled"), {"stop", "cancel", "kill"}),
        (RunStatus("interrupted"), {"cancel", "resume", "reuse", "delete"}),
        (RunStatus("failed", failure="out_of_memory"), {"mend", "reuse", "delete"}),
        (RunStatus("failed", failure="data"), {"reuse", "delete"}),
        (RunStatus("succeeded"), {"reuse", "delete"}),
        (None, set()),
    ],
)
def test_only_buttons_that_make_sense_are_there(status: RunStatus | None, there: set[str]) -> None:
    has_remedy = status is not None and status.failure == "out_of_memory"
    remedy = Remedy("out_of_memory", {"batch_size": 8}, 40) if has_remedy else None
    shown = buttons_for(status, remedy)
    assert {name for name, update in shown.items() if update["visible"]} == there
