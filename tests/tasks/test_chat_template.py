"""A stranger's chat template never runs unbounded: what may cost more than it reads runs in a limited child."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import core.tasks.chat_template as chat_template
from core.base.errors import ModelError
from core.models.known_models import STARTER_DIR
from core.runs.ready import ready_report
from core.tasks.changing.add_task import add_task
from core.tasks.dataset import SYSTEM_END, Example
from core.tasks.encoding import encode_example
from core.tasks.plain_template import is_plain
from core.tasks.token_file import TokenFile
from core.training.config import RunConfig, change_config
from core.workspace import Project
from tests.tasks.test_token_file import REFUSING, TEMPLATE
from tests.tiny_models import CHAT_TEMPLATE

GROWING = (
    "{% set ns = namespace(x='ab') %}{% for i in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}{{ ns.x }}"
)
HOSTILE = {
    "endless": "{% for a in range(90000) %}{% for b in range(90000) %}{{ '' }}{% endfor %}{% endfor %}",
    "doubled": GROWING,
    "doubled without a loop": "{% set x = 'ab' %}" + "{% set x = x ~ x %}" * 60 + "{{ x | length }}",
    "times": "{{ 'a' * 10 ** 12 }}",
    "power": "{{ 9 ** (9 ** 9) }}",
    "wide format": "{{ '%9999999999d' % 1 }}",
    "wide filter": "{{ ('a' | center(10 ** 11)) | length }}",
    "wide method": "{{ 'a'.ljust(10 ** 11) | length }}",
    "macro": "{% macro f(n) %}{{ f(n - 1) ~ f(n - 1) if n else '' }}{% endmacro %}{{ f(60) }}",
    "recursive loop": "{% for m in messages recursive %}{{ loop(messages) }}{{ loop(messages) }}{% endfor %}",
    "rest of a product": "{% for m in messages %}{{ loop.index0 % (('a' * 2 ** 40) | length) }}{% endfor %}",
    "rest of a format": "{% for m in messages %}{{ loop.index % (('%9999999999d' % 1) | length) }}{% endfor %}",
    "when asked": "{% if 'zebra' in messages[-1].content %}" + GROWING + "{% endif %}hello",
}
WRONG = {
    "no template": "{% for %}",
    "too far": "{% for i in range(10 ** 9) %}{% endfor %}",
    "by nothing": "{{ 1 // 0 }}",
    "nested loops": "{% for m in messages %}" * 25 + "x" + "{% endfor %}" * 25,
    "deep": "{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}",
}
PLAIN_AND_WRONG = {
    "sum of two kinds": "{{ 'a' + 1 }}",
    "sliced by a text": "{{ messages['a':] }}",
    "nested conditions": "{% if 1 %}" * 110 + "x" + "{% endif %}" * 110,
}
ROWS = (Example("zebra and word " * 20, "answer"), Example(f"You are kind.{SYSTEM_END}the question", "a"))


def model_with(folder: Path, template: str) -> TokenFile:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).write_bytes((STARTER_DIR / name).read_bytes())
    (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    return TokenFile(folder)


@pytest.fixture
def one_second(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    renderer = chat_template._Renderer()
    monkeypatch.setattr(chat_template, "SECONDS", 1)
    monkeypatch.setattr(chat_template, "MEMORY_MB", 256)
    monkeypatch.setattr(chat_template, "_RENDERER", renderer)
    yield
    renderer.close()


@pytest.fixture
def nothing_here(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> str:
        raise AssertionError("a template of a stranger runs in this process")

    monkeypatch.setattr(TokenFile, "apply_chat_template", refuse)
    monkeypatch.setattr("core.tasks.token_file.compile_template", refuse)


@pytest.mark.parametrize("name", HOSTILE)
def test_what_never_ends_or_grows_is_ended_and_told(
    name: str, tmp_path: Path, one_second: None, nothing_here: None
) -> None:
    tokenizer = model_with(tmp_path, HOSTILE[name])
    for _ in range(2):  # the second time without another try
        with pytest.raises(ModelError) as caught:
            encode_example(tokenizer, ROWS[0], "decoder", 200)
        assert caught.value.key in ("model.template_endless", "model.template_fails"), caught.value.message


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_carried_out_is_told(name: str, tmp_path: Path, nothing_here: None) -> None:
    with pytest.raises(ModelError) as caught:
        encode_example(model_with(tmp_path, WRONG[name]), ROWS[0], "decoder", 200)
    assert caught.value.key in ("model.template_fails", "model.template_endless")


@pytest.mark.parametrize("name", PLAIN_AND_WRONG)
def test_what_costs_nothing_and_cannot_be_carried_out_is_told(name: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        encode_example(model_with(tmp_path, PLAIN_AND_WRONG[name]), ROWS[0], "decoder", 200)
    assert caught.value.key == "model.template_fails"


def test_the_child_writes_what_this_process_would(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also a template that knows no system role, with the marks of what the model says."""
    marked = "{% set ns = namespace(n=0) %}" + REFUSING.replace(
        "{% for m", "{% generation %}{{ ns.n }}{% endgeneration %}{% for m"
    )
    for template in (TEMPLATE, REFUSING, CHAT_TEMPLATE, marked):
        tokenizer = model_with(tmp_path, template)
        asked = [encode_example(tokenizer, row, "decoder", 200) for row in ROWS]
        monkeypatch.setattr(chat_template, "is_plain", lambda text: False)
        assert [encode_example(tokenizer, row, "decoder", 200) for row in ROWS] == asked
        monkeypatch.undo()


def test_a_plan_on_such_a_model_is_not_ready_and_says_why(
    tmp_path: Path, project: Project, small_csv: Path, one_second: None
) -> None:
    model = tmp_path / "model"
    shutil.copytree(STARTER_DIR, model)
    add_task(project, small_csv)
    for template, ready in ((HOSTILE["endless"], False), (HOSTILE["when asked"].replace("zebra", "number"), True)):
        (model / "chat_template.jinja").write_text(template, encoding="utf-8")
        config = change_config(RunConfig(), {"base_model": str(model), "max_steps": len(template)})
        found = ready_report(project, config)  # what looks at the text first is found by the run itself
        assert found.ready is ready
        keys = [problem.key for problem in found.problems if problem.field == "base_model"]
        assert ("model.template_endless" in keys) is not ready
        os.utime(model / "tokenizer.json")


def test_usual_templates_are_plain_and_no_hostile_one_is() -> None:
    own = json.loads((STARTER_DIR / "tokenizer_config.json").read_text(encoding="utf-8"))["chat_template"]
    assert all(is_plain(template) for template in (own, REFUSING, CHAT_TEMPLATE))
    hostile = [name for name, template in {**HOSTILE, **WRONG}.items() if is_plain(template)]
    assert not set(hostile) & set(HOSTILE)
