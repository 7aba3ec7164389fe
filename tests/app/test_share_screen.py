"""Making files on the Share screen: one after the other, each outcome with the choice it was made for."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.drawing.markup import esc
from app.share import screen
from app.share.screen import Share
from app.share.wishes import Choice, Outcome, Wishes
from app.shell.context import Context
from app.shell.selection import Selection
from app.texts import say
from core.base.errors import ModelError, RunError
from core.workspace import Workspace
from tests.app.panels import build_panel
from tests.serving.conftest import make_trained_run

FIRST, SECOND = Choice(("r", 1, "en"), "lora", "a", False), Choice(("r", 1, "en"), "merged", "a", False)


def test_wishes_are_made_in_their_order_and_once(tmp_path: Path) -> None:
    wishes, made = Wishes(), tmp_path / "made.zip"
    made.touch()
    for choice in (FIRST, SECOND, FIRST):
        wishes.ask(choice)
    assert [wishes.place_of(choice) for choice in (FIRST, SECOND)] == [0, 1]

    def make(choice: Choice) -> Outcome:
        wishes.ask(SECOND)  # a click meanwhile
        return Outcome(str(made), choice.kind)

    wishes.make_next(make)
    assert (wishes.place_of(FIRST), wishes.place_of(SECOND)) == (None, 0)
    assert wishes.outcome_of(FIRST) == Outcome(str(made), "lora")
    assert wishes.outcome_of(SECOND) is None
    wishes.ask(FIRST)  # it is there to download
    assert wishes.waiting == [SECOND]
    made.unlink()
    assert wishes.outcome_of(FIRST) is None
    wishes.ask(FIRST)
    assert wishes.waiting == [SECOND, FIRST]


def test_what_broke_does_not_block_what_waits() -> None:
    wishes = Wishes()
    wishes.ask(FIRST)
    wishes.ask(SECOND)

    def broken(_: Choice) -> Outcome:
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        wishes.make_next(broken)
    assert wishes.waiting == [SECOND]
    wishes.make_next(lambda _: Outcome("", "refused"))
    assert wishes.outcome_of(SECOND) == Outcome("", "refused")
    wishes.ask(SECOND)  # what was refused may be tried again
    assert wishes.waiting == [SECOND]
    wishes.make_next(lambda _: Outcome("", ""))
    wishes.make_next(broken)  # nothing waits


@pytest.fixture(scope="module")
def made_run(tmp_path_factory) -> Path:
    from tests.tiny_models import build_tiny_llama

    home = tmp_path_factory.mktemp("share")
    build_tiny_llama(home / "tiny")
    return make_trained_run(home / "work", home / "tiny")


def test_an_outcome_is_shown_to_its_choice_only(made_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = made_run.parent.parent
    context = Context(Workspace(project.parent.parent))
    panel = build_panel(Share, context)
    here, wishes = Selection(project_id=project.name, run_id=made_run.name), Wishes()
    packed = project / "made.zip"
    packed.touch()
    monkeypatch.setattr(screen, "_make", lambda *given: Outcome(str(packed), "checked"))

    def shown(kind: str) -> tuple[str, bool]:
        drawn = panel.draw_outcome(context, here, kind, None, False, wishes)
        return drawn[panel.checked], drawn[panel.file]["visible"]

    panel.ask(context, here, "lora", None, False, wishes)
    panel.ask(context, here, "space", None, False, wishes)
    assert say("share.making") in shown("lora")[0]
    assert say("share.waiting", n=1) in shown("space")[0]
    assert shown("merged") == ("", False)
    panel.make_files(context, here, wishes)
    assert shown("lora") == ("checked", True)
    assert say("share.making") in shown("space")[0]

    def refuse(*given: object) -> Outcome:
        raise RunError("serving.no_adapter", run="<b>r</b>")

    monkeypatch.setattr(screen, "_make", refuse)
    panel.make_files(context, here, wishes)
    said, has_file = shown("space")
    assert not has_file
    assert "&lt;b&gt;r" in said
    assert shown("lora") == ("checked", True)
    assert context.work.of(here.owner) == []


def test_a_kind_that_the_base_model_cannot_become_is_not_offered(
    made_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = made_run.parent.parent
    context = Context(Workspace(project.parent.parent))
    panel = build_panel(Share, context)
    here = Selection(project_id=project.name, run_id=made_run.name)
    for refusal, offered in ((None, True), (ModelError("export.gguf_family", kind="x", known="y"), False)):
        monkeypatch.setattr(screen, "gguf_refusal", lambda _, said=refusal: said)
        drawn = panel.draw_kinds(context, here, "gguf")
        kinds, said = drawn[panel.kind], drawn[panel.missing]
        assert (esc(refusal.message) if refusal else "") in said
        assert bool(said) is not offered  # who misses it reads why
        assert ("gguf" in [kind for _, kind in kinds["choices"]]) is offered
        assert kinds["value"] == ("gguf" if offered else "lora")
