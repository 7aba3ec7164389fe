"""What no file of ours may do, read from the source: run text, read pickles, trust code of models, open shells."""

from __future__ import annotations

import ast
import re
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted([*(ROOT / "core").rglob("*.py"), *(ROOT / "app").rglob("*.py"), ROOT / "app.py"])
FORBIDDEN_NAMES = {"eval", "exec", "compile", "__import__"}
FORBIDDEN_CALLS = {
    "torch.load",
    "torch.save",
    "torch.jit.load",
    "yaml.load",
    "yaml.unsafe_load",
    "yaml.full_load",
    "os.system",
    "os.popen",
    "subprocess.getoutput",
    "gr.load",
    "gradio.load",
    "gr.Interface.load",
    "shutil.unpack_archive",
    "marshal.loads",
    "tempfile.mktemp",
}
FORBIDDEN_IMPORTS = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "urllib.request"}
MUST_BE = {"trust_remote_code": False, "shell": False, "share": False, "allow_pickle": False, "weights_only": True}
FLOORS = {"gradio": (6, 31), "torch": (2, 10), "transformers": (5, 3), "pyarrow": (14, 0, 1)}


def faults_in(source: str) -> list[str]:
    """Everything in a file that the rules forbid."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [a.name for a in node.names if a.name in FORBIDDEN_IMPORTS]
        if isinstance(node, ast.ImportFrom) and node.module in FORBIDDEN_IMPORTS:
            found.append(node.module)
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        if name in FORBIDDEN_CALLS or (isinstance(node.func, ast.Name) and name in FORBIDDEN_NAMES):
            found.append(name)
        for keyword in node.keywords:
            wanted = MUST_BE.get(keyword.arg or "")
            named_so = keyword.arg == "share" and not isinstance(keyword.value, ast.Constant)  # a value of a text
            if wanted is not None and not named_so and ast.unparse(keyword.value) != str(wanted):
                found.append(f"{keyword.arg}={ast.unparse(keyword.value)}")
        loads_weights = name.endswith(".from_pretrained") and "PeftModel" not in name
        if loads_weights and not any(k.arg == "trust_remote_code" for k in node.keywords):
            found.append(f"{name} without trust_remote_code=False")
        models = "Model" in name or name == "loader.from_pretrained"
        if loads_weights and models and not any(k.arg == "use_safetensors" for k in node.keywords):
            found.append(f"{name} without use_safetensors=True")
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_file_breaks_a_rule(path: Path) -> None:
    assert not faults_in(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "source",
    [
        "import pickle", "from joblib import load", "eval(text)", "torch.load(p)", "os.system(c)",
        "subprocess.run(c, shell=True)", "AutoModel.from_pretrained(p, trust_remote_code=True)",
        "AutoTokenizer.from_pretrained(p)", "np.load(p, allow_pickle=True)", "yaml.load(t)", "gr.load('x')",
        "demo.launch(share=True)", "AutoModel.from_pretrained(p, trust_remote_code=False)",
    ],
)  # fmt: skip
def test_the_rules_catch(source: str) -> None:
    assert faults_in(source)


def test_subprocesses_are_started_with_lists() -> None:
    """The first argument is a list or a name that holds one, never a text."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("subprocess.run", "subprocess.Popen"):
                assert not isinstance(node.args[0], ast.Constant | ast.JoinedStr | ast.BinOp), path


@pytest.mark.parametrize("package", sorted(FLOORS))
def test_packages_stand_above_their_last_known_hole(package: str) -> None:
    pinned = re.search(rf"^{package}==([\d.]+)$", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.M)
    assert pinned, f"{package} is not pinned"
    for found in (pinned[1], version(package).split("+")[0]):
        numbers = tuple(int(n) for n in found.split(".") if n.isdigit())
        assert numbers >= FLOORS[package], found


def test_every_listed_model_is_pinned_to_a_commit() -> None:
    from core.models.catalogue import pinned_revision
    from core.models.known_models import CATALOGUE, STARTER

    for model in CATALOGUE:
        if model.package is not None:  # its wheels and its file are known by their hashes
            hashes = [model.package.sha256, *(sha256 for _, sha256 in model.package.wheels)]
            assert all(re.fullmatch(r"[0-9a-f]{64}", sha256) for sha256 in hashes), model.model_id
        elif model.model_id != STARTER:
            assert re.fullmatch(r"[0-9a-f]{40}", model.revision), model.model_id
            assert pinned_revision(model.model_id) == model.revision
    assert pinned_revision("someone/else") is None
    assert pinned_revision(STARTER) is None


def test_a_listed_model_is_asked_for_at_its_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    from core.base.errors import ModelError
    from core.models import loading
    from core.models.known_models import CATALOGUE

    asked: dict[str, object] = {}

    def refuse(name: str, **options: object) -> None:
        asked.update(options, name=name)
        raise OSError("no network")

    monkeypatch.setattr(loading.AutoConfig, "from_pretrained", refuse)
    listed = next(model for model in CATALOGUE if model.revision)
    with pytest.raises(ModelError):
        loading.load_base(listed.model_id)
    assert asked == {"name": listed.model_id, "revision": listed.revision, "trust_remote_code": False}


def test_no_secret_lies_in_the_repository() -> None:
    secret = re.compile(r"hf_[A-Za-z0-9]{20,}|AKIA[0-9A-Z]{16}|-----BEGIN [A-Z ]*PRIVATE KEY|ghp_[A-Za-z0-9]{20,}")
    for path in [*SOURCES, *(ROOT / "assets" / "docs").glob("*.md"), ROOT / "README.md"]:
        assert not secret.search(path.read_text(encoding="utf-8")), path
