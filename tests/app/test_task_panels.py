"""The parts of the Tasks screen as plain functions: reading differently, the table of rows, wordings, versions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from app.home.archive_panel import PackPanel
from app.shell.context import Context
from app.shell.selection import Selection
from app.tasks.health_panel import HealthPanel, _lengths, draw_all, take_back
from app.tasks.import_panel import draw_preview
from app.tasks.last_change import LastChange
from app.tasks.rows_panel import NOTHING, RowsPanel, add_row, save_rows
from app.tasks.screen import Tasks
from app.tasks.task_editor import Editor, save_task, take_codes
from app.tasks.task_fields import EDITED
from app.tasks.task_markup import counted_for
from app.tasks.versions_panel import VersionsPanel, draw_difference
from app.texts import TEXTS, word_error
from app.texts.language import in_language, speaking
from app.train.plan_views import check_plan
from core.base.errors import TaskFileError, WorkspaceError
from core.models.known_models import CATALOGUE, STARTER
from core.tasks.changing.versions import list_versions
from core.tasks.health.characters import KINDS
from core.tasks.health.texts import _SCRIPTS, _STOPWORDS, PERSONAL
from core.tasks.store import get_task, list_tasks
from core.training.config import RunConfig, config_to_yaml
from core.workspace import Workspace
from tests.app.panels import build_panel

LOOK = ("starter", 512)


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "temporary"))
    return Context(Workspace(tmp_path / "workspace"))


@pytest.fixture
def place(context: Context) -> Selection:
    project = context.workspace.create_project("Desk", "local")
    return Selection().with_project(project.project_id)


@pytest.fixture
def mails(context: Context, place: Selection, tmp_path: Path) -> Selection:
    """One task of 60 rows with codes as answers."""
    path = tmp_path / "up" / "mails.csv"
    path.parent.mkdir()
    path.write_text("text,code\n" + "".join(f"mail number {i},{i % 2 + 1}\n" for i in range(60)), encoding="utf-8")
    return build_panel(Tasks, context).take_files(context, place, [str(path)])[context.selection]


def spec_of(context: Context, selection: Selection) -> Any:
    return list_tasks(context.require_project(selection))[0]


def test_a_file_that_failed_is_read_differently(context: Context, place: Selection, tmp_path: Path) -> None:
    path = tmp_path / "x" / "export.csv"
    path.parent.mkdir()
    body = "".join(f"今天天气很好{i}¦{'好差'[i % 2]}\n" for i in range(20))
    path.write_bytes(f"文本¦标签\n{body}".encode("gb18030"))
    screen = build_panel(Tasks, context)
    more, shown = screen.more, screen.take_files(context, place, [str(path)])
    selection, dropped = shown[context.selection], shown[more.dropped]
    assert "export.csv" in shown[screen.report]
    assert list_tasks(context.require_project(place)) == []
    assert "文本¦标签" in more.draw_first(context, selection, dropped, "export.csv")[more.preview]
    assert "标签" in draw_preview(context, selection, dropped, "export.csv", "", "¦", "", "", "", "")
    assert "bad" in draw_preview(context, selection, dropped, "export.csv", "klingon", "¦", "", "", "", "")
    shown = more.read_differently(context, selection, dropped, "export.csv", "gb18030", "¦", "", "", "", "")
    chosen = shown[context.selection]
    spec = spec_of(context, chosen)
    assert (spec.inputs, spec.targets, spec.source.encoding) == (("文本",), ("标签",), "gb18030")
    shown = more.read_differently(context, chosen, dropped, "export.csv", "gb18030", "¦", "", "", "no", "")
    again = shown[context.selection]
    assert [s.name for s in list_tasks(context.require_project(again))] == ["export"]  # replaced, not doubled
    assert spec_of(context, again).num_train + spec_of(context, again).num_test > 16
    with pytest.raises(TaskFileError):
        more.read_differently(context, again, dropped, "export.csv", "gb18030", "%", "", "", "", "")
    assert spec_of(context, again).columns == ("column_1", "column_2")  # a failed try changes nothing


def test_only_ones_own_drop_can_be_read(context: Context, mails: Selection) -> None:
    before = spec_of(context, mails)
    more = build_panel(Tasks, context).more
    assert more.read_differently(context, mails, ["/etc/hosts"], "passwd", "", "", "", "", "", "") == {
        more.report: ""
    }
    assert draw_preview(context, mails, [], "mails.csv", "", "", "", "", "", "") == ""
    assert spec_of(context, mails) == before


def test_pasted_cells_become_a_task(context: Context, place: Selection) -> None:
    text = "question\tanswer\n" + "".join(f"what is {i}?\tit is {i}\n" for i in range(12))
    more = build_panel(Tasks, context).more
    shown = more.take_pasted(context, place, text, "")
    assert spec_of(context, shown[context.selection]).targets == ("answer",)
    assert (shown[more.text], "pasted" in shown[more.report]) == ("", True)
    with pytest.raises(TaskFileError):
        more.take_pasted(context, place, "  ", "x")


def test_a_shared_page_fetches_nothing(context: Context, place: Selection) -> None:
    context.shared = True
    with pytest.raises(WorkspaceError) as caught:
        build_panel(Tasks, context).more.take_hub(context, place, "PolyAI/banking77", "")
    assert caught.value.key == "hub.shared"


def values_of(context: Context, selection: Selection, **changes: Any) -> list[Any]:
    """The editor's fields as they are drawn, with some typed over."""
    editor = build_panel(Editor, context)
    drawn = editor.draw(context, selection, *LOOK)
    plain = [v["value"] if isinstance(v := drawn[field], dict) else v for field in editor.fields]
    return list({**dict(zip(EDITED, plain, strict=True)), **changes}.values())


def test_saving_unchanged_fields_makes_no_version(context: Context, mails: Selection) -> None:
    save_task(context, mails, False, *values_of(context, mails))
    assert list_versions(context.require_project(mails), "mails") == []


def test_wordings_system_prompt_and_codes(context: Context, mails: Selection, tmp_path: Path) -> None:
    codes = tmp_path / "codes.csv"
    codes.write_text("code,name\n1,refund\n2,loan\n", encoding="utf-8")
    take_codes(context, mails, str(codes))
    assert spec_of(context, mails).labels == ("loan", "refund")
    wordings = "{text}\n\n{instruction}\n---\nKind of {text}"
    typed = values_of(context, mails, templates=wordings, system="You sort mail.")
    editor = build_panel(Editor, context)
    sees = editor.draw_preview(context, mails, *LOOK, *typed)[editor.sees]
    assert "You sort mail." in sees
    assert "&lt;|user|&gt;" in sees  # the base model's own turn marks
    save_task(context, mails, False, *typed)
    spec = spec_of(context, mails)
    assert spec.templates == ("{text}\n\n{instruction}", "Kind of {text}")
    assert values_of(context, mails)[EDITED.index("templates")] == wordings
    bad = values_of(context, mails, templates="{nowhere}")
    shown = editor.draw_preview(context, mails, *LOOK, *bad)
    assert "nowhere" in shown[editor.sees]
    assert shown[editor.save]["interactive"] is False


def test_the_exam_is_drawn_anew_on_request_only(context: Context, mails: Selection) -> None:
    before = spec_of(context, mails)
    save_task(context, mails, False, *values_of(context, mails, test=0.4, validation=0.2))
    assert (spec_of(context, mails).num_test, spec_of(context, mails).num_validation > 6) == (before.num_test, True)
    save_task(context, mails, True, *values_of(context, mails, test=0.4))
    assert spec_of(context, mails).num_test == 24


def test_the_table_of_rows_is_edited_as_one_version(context: Context, mails: Selection) -> None:
    panel = build_panel(RowsPanel, context)
    drawn = panel.draw(context, mails, "", "train")
    page, data = drawn[panel.page], drawn[panel.table]["value"]["data"]
    assert f"of {page['total']}" in drawn[panel.count]
    assert len(data) == 20
    data[0][3] = "edited text"
    data[1][0] = True  # ticked for deletion
    assert data[2][1] == "practice"
    data[2][1] = "检查"  # as the Chinese page says it; "check" and "validation" are the same
    data = add_row(context, mails, data, page)
    data[-1][3:5] = ["brand new", "2"]
    before = spec_of(context, mails)
    save_rows(context, mails, page, data)
    after = spec_of(context, mails)
    assert after.num_train == before.num_train - 1  # one gone, one moved, one new
    assert after.num_validation == before.num_validation + 1
    known = list_versions(context.require_project(mails), "mails")
    assert [(v.change, v.count) for v in known] == [("edit_table", 4)]
    found = panel.draw(context, mails, "BRAND", "")[panel.table]["value"]
    assert found["headers"][-1] == "(origin)"
    assert found["data"][0][-1] == "by hand"
    assert panel.draw(context, mails, "edited text", "")[panel.page]["total"] == 1
    assert panel.page_on(context, mails, "", "train", page)[panel.page]["start"] == 20
    save_rows(context, mails, *_unchanged(context, mails))
    assert len(list_versions(context.require_project(mails), "mails")) == 1
    assert panel.draw(context, Selection(), "", "")[panel.page] == NOTHING


def _unchanged(context: Context, selection: Selection) -> tuple[Any, Any]:
    panel = build_panel(RowsPanel, context)
    drawn = panel.draw(context, selection, "", "")
    return drawn[panel.page], drawn[panel.table]["value"]["data"]


def test_versions_are_compared(context: Context, mails: Selection) -> None:
    panel = build_panel(VersionsPanel, context)
    assert panel.draw(context, mails)[panel.since]["visible"] is False
    save_task(context, mails, False, *values_of(context, mails, instruction="Sort <it>."))
    shown, table = _unchanged(context, mails)
    table[0][3] = "other <words>"
    save_rows(context, mails, shown, table)
    drawn = panel.draw(context, mails)
    assert "other roles or wording" in drawn[panel.listed]
    numbers = [number for _, number in drawn[panel.since]["choices"]]
    assert (drawn[panel.undo]["visible"], numbers) == (True, [2, 1])
    difference = draw_difference(context, mails, 1)
    assert "Sort &lt;it&gt;." in difference
    assert "other &lt;words&gt;" in difference
    assert "Instruction" in difference
    assert "Instruction" not in draw_difference(context, mails, 2)
    last = build_panel(LastChange, context).draw(context, mails)
    assert "the table edited (1 row)" in last
    take_back(context, mails)
    assert "other roles or wording." in build_panel(LastChange, context).draw(context, mails)
    take_back(context, mails)
    assert build_panel(LastChange, context).draw(context, mails) == ""


def test_health_is_read_on_demand_and_as_a_file(context: Context, mails: Selection) -> None:
    panel = build_panel(lambda built: HealthPanel(built, [gr.Dropdown(), gr.Number()]), context)
    assert panel.draw(context, mails, False, *LOOK)[panel.findings] == []
    assert panel.ask(context, mails, False)[panel.due] is None
    asked = panel.ask(context, mails, True)  # at once, without reading a row
    assert (asked[panel.due], asked[panel.findings], "Looking" in asked[panel.head]) == (mails, [], True)
    drawn = panel.draw(context, mails, True, "starter", 4)
    lengths, labels = drawn[panel.lengths], drawn[panel.labels]
    assert "health.csv" in drawn[panel.head]
    assert any("4 tokens" in card["title"] for card in drawn[panel.findings])
    assert json.loads(lengths)["data"][0]["y"]
    assert "mail number" in labels
    table = in_language("zh", draw_all, context, mails, *LOOK)
    assert "health.csv" in table


def test_what_findings_list_is_named_in_the_language() -> None:
    for key, listed, said in (
        ("health.languages", {"languages": "English 80 %, German 20 %"}, "英语 80 %, 德语 20 %"),
        ("health.personal", {"count": 3, "kinds": "email 3, phone 1"}, "电子邮箱 3, 电话号码 1"),
        ("health.characters", {"count": 2, "kinds": "mojibake 2, html 1"}, "乱码 2, HTML 1"),
    ):
        assert said in in_language("zh", word_error, key, listed)[0]
    assert "英语、德语" in in_language("zh", _lengths, {"languages": {"English": 8, "German": 2, "unknown": 1}})
    for group, names in (("spoken.", {**_STOPWORDS, **_SCRIPTS}), ("found.", {*KINDS, *PERSONAL})):
        assert {group + name for name in names} == {key for key in TEXTS["zh"] if key.startswith(group)}


def test_a_project_is_packed_and_opened(context: Context, mails: Selection) -> None:
    panel = build_panel(PackPanel, context)
    packed = panel.make_pack(context, mails)
    opened = panel.take_pack(context, mails, packed)[context.selection]
    project = context.require_project(opened)
    assert (project.name, get_task(project, "mails").num_train) == ("Desk 2", spec_of(context, mails).num_train)


def test_rows_that_do_not_fit_are_one_number_everywhere(context: Context, place: Selection, tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    rows = "".join(f"{'a long story about it ' * (40 if i % 7 == 0 else 2)}{i},{'yn'[i % 2]}\n" for i in range(70))
    path.write_text(f"text,label\n{rows}", encoding="utf-8")
    selection = build_panel(Tasks, context).take_files(context, place, [str(path)])[context.selection]
    plan = RunConfig(max_tokens=128)
    editor = build_panel(Editor, context)
    look = editor.follow_plan(context, config_to_yaml(plan))
    model, limit = look[editor.model], look[editor.limit]
    assert (model, limit) == (plan.base_model, 128)
    ready = next(p for p in check_plan(context, selection, plan).problems if p.key == "check.long_rows")
    panel = build_panel(lambda built: HealthPanel(built, [gr.State(), gr.State()]), context)
    drawn = panel.draw(context, selection, True, model, limit)
    said = counted_for(ready.values["model"], ready.values["tokens"])
    assert f"{ready.values['count']} of {ready.values['rows']} practice rows are cut" in drawn[panel.head]
    assert said in drawn[panel.head]
    assert any(str(ready.values["count"]) in card["title"] for card in drawn[panel.findings])
    shown = json.loads(drawn[panel.lengths])["layout"]["annotations"][0]["text"]
    assert f"128 tokens fit, {ready.values['count']} rows are longer" in shown
    assert said in editor.draw(context, selection, model, limit)[editor.sees]


def test_the_starter_is_named_in_the_language_of_the_page() -> None:
    starter = next(model for model in CATALOGUE if model.model_id == STARTER)
    with speaking("zh"):
        assert "起步模型" in counted_for(starter.title, 128)
        assert "SmolLM2" in counted_for("SmolLM2 135M", 128)
