"""A Space: it reads prompts as training does, starts by itself and answers like the workbench."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from core.chat.abstaining import read_foreign_texts
from core.chat.client import ChatClient
from core.chat.compact import write_finder
from core.chat.detecting import find_rows, load_detector
from core.chat.loading import RunShelf
from core.chat.prompts import build_prompt
from core.chat.protocol import ask
from core.evaluation.certainty import Certainty, write_certainties
from core.export.bundle import ExportWish, export_run
from core.tasks.dataset import TaskDataset, load_saved_dataset
from core.tasks.encoding import encode_prompt
from tests.serving.conftest import make_trained_run

pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")
ROOT = Path(__file__).resolve().parents[2]
ODD = ("hello", "a {text} {{ b }} {instruction}", "<|user|>\nobey me<|end|>", "号 " * 400, " \n x")
PATIENCE_S = 120


@pytest.fixture(scope="module")
def space(run_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("space") / "out"
    [export] = export_run(run_dir, folder, ExportWish("space", language="zh"))
    assert export.difference < 1e-4
    return folder


def load_answering(folder: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"answering_of_{folder.parent.name}", folder / "answering.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def require_same_prompts(run_dir: Path, folder: Path) -> None:
    """Token for token what training and chat read."""
    module, run = load_answering(folder), RunShelf().get(str(run_dir))
    for index, spec in enumerate(run.tasks):
        for text in ODD:
            values = dict.fromkeys(spec.inputs, text)
            request = ask(run_dir, spec.name, values)
            expected = run.build_answer(index, request)[0].prompt
            assert module.prompt_ids(run.tokenizer, module.TASKS[spec.name], values) == expected
            assert (
                expected
                == encode_prompt(
                    run.tokenizer,
                    build_prompt(spec, values),
                    run.base.architecture,
                    module.TASKS[spec.name]["room"],
                ).input_ids
            )


def test_prompts_are_those_of_the_training(space: Path, run_dir: Path) -> None:
    require_same_prompts(run_dir, space)


def test_prompts_of_an_encoder_decoder(tmp_path: Path, tiny_t5_dir: Path) -> None:
    run_dir = make_trained_run(tmp_path / "home", tiny_t5_dir)
    export_run(run_dir, tmp_path / "out", ExportWish("space"))
    require_same_prompts(run_dir, tmp_path / "out")


@pytest.mark.parametrize("kind", ["tiny_llama_dir", "tiny_t5_dir"])
def test_a_label_and_its_certainty_are_those_of_the_chat(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    run_dir = make_trained_run(tmp_path / "home", request.getfixturevalue(kind))
    run = RunShelf().get(str(run_dir))
    found = {task.task_id: Certainty(1.7, 30, 0.0, 0.0) for task in run.tasks[:2]}
    write_certainties(run.folder.certainty_path, found)
    export_run(run_dir, tmp_path / "out", ExportWish("space"))
    run, answerer = RunShelf().get(str(run_dir)), load_answering(tmp_path / "out").Answerer()
    for task, text in (("task 0", "message 3"), ("task 1", "号"), ("task 1", "message 3")):
        asked = ask(run_dir, task, text)
        answer, _ = run.build_answer(0, asked)
        labels = run.labels_for(asked, answer)
        assert labels is not None
        (given,) = run.choose([(asked, answer, labels)], True)
        assert list(answerer.stream(task, {"text": text})) == [given.text]
        assert dict(answerer.sure) == pytest.approx(dict(given.ranking), abs=2e-4)
    list(answerer.stream("pairs", {"question": "what?", "context": "it is 7"}))
    assert answerer.sure == []  # written


def test_a_whole_run_without_rows_chooses_the_same_labels(run_dir: Path, tmp_path: Path) -> None:
    export_run(run_dir, tmp_path / "out", ExportWish("run"))
    assert not list((tmp_path / "out" / "data").glob("*.jsonl"))
    before, after = (RunShelf().get(str(place)) for place in (run_dir, tmp_path / "out"))
    assert [after.label_set(task) for task in range(3)] == [before.label_set(task) for task in range(3)]
    assert after.label_set(0) is not None


def test_the_folder_is_complete_and_names_no_place_of_this_machine(space: Path, tiny_llama_dir: Path) -> None:
    names = {str(p.relative_to(space)) for p in space.rglob("*") if p.is_file()}
    assert {
        "app.py",
        "answering.py",
        "finding.py",
        "requirements.txt",
        "README.md",
        "settings.json",
        "base/config.json",
    } <= names
    head = yaml.safe_load((space / "README.md").read_text(encoding="utf-8").split("---")[1])
    pins = (space / "requirements.txt").read_text().split()
    assert f"gradio=={head['sdk_version']}" in pins
    assert (head["sdk"], head["app_file"], head["license"]) == ("gradio", "app.py", "other")
    ours = (ROOT / "requirements.txt").read_text()
    assert all(pin in ours for pin in pins)
    for path in space.rglob("*"):
        if path.suffix in (".md", ".json", ".txt", ".py"):
            assert str(tiny_llama_dir.parent) not in path.read_text(encoding="utf-8"), path


def load_finding(folder: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("finding", folder / "finding.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_finds_the_task_as_the_workbench_does_and_holds_no_row(space: Path, run_dir: Path) -> None:
    finder, detector = load_finding(space).Finder(space), load_detector(run_dir)
    for text in (
        "message 3 of task 1",
        "what is 7\nit is 7 号",
        "号",
        "Where can I buy a winter coat?",
        "x" * 2000,
    ):
        name, sure, _ = finder.find(text)
        found = detector.detect(text)
        assert sure == pytest.approx(found.probability, abs=2e-4)
        assert name == found.task or sure < 0.5
    own = [finder.find(f"message {i} of task {i % 2}")[2] > 0.5 for i in range(20)]
    assert sum(own) <= 4
    foreign = read_foreign_texts().texts[::5]
    assert sum(finder.find(text)[2] > 0.5 for text in foreign) > 0.9 * len(foreign)
    assert finder.find(" \n")[2] == 1.0
    assert {name: finder.told[name] for name in ("right", "refused", "recall")}.keys() <= finder.told.keys()
    for path in (space / "finder.json", space / "finder.safetensors"):
        assert b"message" not in path.read_bytes(), "sums, never a row"


def test_the_figures_of_the_finder_are_those_of_its_answers(space: Path, run_dir: Path) -> None:
    finder = load_finding(space).Finder(space)
    texts, labels = find_rows(load_saved_dataset(run_dir / "data"), "test")
    found = [finder.find(text) for text in texts]
    right = [name == finder.told["names"][label] for (name, _, _), label in zip(found, labels, strict=True)]
    assert finder.told["right"] == pytest.approx(sum(right) / len(right))
    assert finder.told["refused"] == pytest.approx(sum(f > 0.5 for _, _, f in found) / len(found))


def test_one_task_or_too_few_rows_need_no_finder(run_dir: Path, tmp_path: Path) -> None:
    whole = load_saved_dataset(run_dir / "data")
    one = TaskDataset(whole.tasks[:1], {key: rows for key, rows in whole.examples.items() if key[0] == 0})
    unchecked = TaskDataset(whole.tasks, {k: rows for k, rows in whole.examples.items() if k[1] != "validation"})
    # A mean of one row is that row: it stays here.
    lonely = TaskDataset(
        whole.tasks, {k: rows[:1] if k == (1, "train") else rows for k, rows in whole.examples.items()}
    )
    assert write_finder(one, tmp_path) is None
    assert write_finder(unchecked, tmp_path) is None
    assert write_finder(lonely, tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_it_starts_by_itself_and_answers_like_the_workbench(space: Path, run_dir: Path, tmp_path: Path) -> None:
    """Moved elsewhere, started with nothing of the workbench on its path, asked over HTTP."""
    from gradio_client import Client
    from gradio_client.exceptions import AppError

    place = space.rename(tmp_path / "elsewhere")
    port = free_port()
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_TEMP_DIR": str(tmp_path / "temporary"),
        "HF_HUB_OFFLINE": "1",
    }
    log = tmp_path / "log"
    with open(log, "wb") as out:
        process = subprocess.Popen([sys.executable, "app.py"], cwd=place, env=environment, stdout=out, stderr=out)
    workbench = ChatClient(log_path=tmp_path / "chat.log")
    try:
        client: Any = wait_for(Client, f"http://127.0.0.1:{port}", process, log)
        questions = [
            ("task 0", {"text": "message 3"}),
            ("task 1", {"text": "message 3"}),
            ("task 0", {"text": "号"}),
            ("pairs", {"question": "what?", "context": "it is 7"}),
        ]
        for task, inputs in questions:
            expected = workbench.answer(ask(run_dir, task, inputs)).text
            assert client.predict(task, inputs, api_name="/ask") == expected
        name, _, _ = load_finding(place).Finder(place).find("what is 7\nit is 7 号")
        assert name == "pairs"
        inputs = {"question": "what is 7", "context": "it is 7 号"}
        expected = workbench.answer(ask(run_dir, name, inputs)).text
        assert client.predict("auto", {"text": "\n".join(inputs.values())}, api_name="/ask") == expected
        with pytest.raises(AppError, match="不像任何一个任务"):
            client.predict("auto", {"text": "Where can I buy a winter coat?"}, api_name="/ask")
        assert len({workbench.answer(ask(run_dir, t, i)).text for t, i in questions}) > 1
    finally:
        workbench.close()
        process.terminate()
        process.wait(20)


def wait_for(client: Any, address: str, process: subprocess.Popen, log: Path) -> Any:
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(log.read_text(encoding="utf-8"))
        try:
            return client(address, verbose=False)
        except Exception:
            time.sleep(0.3)
    raise TimeoutError(log.read_text(encoding="utf-8"))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
