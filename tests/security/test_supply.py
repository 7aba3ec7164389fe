"""What is installed: every package with its version and its hashes, under a licence that lets people use it, and
nothing that nobody uses."""

from __future__ import annotations

import ast
import re
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCKS = {
    "requirements.lock": ("requirements.txt",),
    "tests/requirements.lock": ("requirements.txt", "tests/requirements.txt"),
}
# Installed apart, as the build for the machine's processor or card; each has a hash of its own.
APART = {"torch"}
IMPORTED_AS = {"pyyaml": "yaml", "scikit-learn": "sklearn"}
# Used without an import: transformers' Trainer stands on the first, pytest lets an installed copy check itself.
NOT_IMPORTED = {"accelerate", "pytest", "plotly"}
PERMISSIVE = {
    "0BSD", "APACHE-2.0", "BSD-2-CLAUSE", "BSD-3-CLAUSE", "BSL-1.0", "CC0-1.0", "CNRI-PYTHON", "ISC", "MIT",
    "MIT-CMU", "PSF-2.0", "ZLIB",
}  # fmt: skip
# Weak copyleft by file: used as it comes, never changed.
MPL = {"certifi", "hypothesis", "orjson", "pathspec", "pytest-rerunfailures", "tqdm"}
UNWORDED = {"axe-playwright-python": "MIT"}  # names its licence in its repository only; for the tests only
WORDS = {
    "APACHE SOFTWARE LICENSE": "APACHE-2.0", "APACHE 2.0 LICENSE": "APACHE-2.0", "MIT LICENSE": "MIT",
    "BSD LICENSE": "BSD-3-CLAUSE", "3-CLAUSE BSD LICENSE": "BSD-3-CLAUSE", "ISC LICENSE (ISCL)": "ISC",
    "MOZILLA PUBLIC LICENSE 2.0 (MPL 2.0)": "MPL-2.0", "PYTHON SOFTWARE FOUNDATION LICENSE": "PSF-2.0",
    "APACHE-2.0 WITH LLVM-EXCEPTION": "APACHE-2.0",
}  # fmt: skip


def pins(name: str) -> dict[str, tuple[str, frozenset[str]]]:
    """Package -> (version, hashes) of a lock file."""
    blocks = re.split(r"\n(?=\S)", (ROOT / name).read_text(encoding="utf-8"))
    found = [(re.match(r"([a-z0-9._-]+)==(\S+)", block), block) for block in blocks]
    return {m[1]: (m[2], frozenset(re.findall(r"sha256:([0-9a-f]{64})", block))) for m, block in found if m}


def wanted(name: str) -> dict[str, str]:
    """Package -> what a requirements file asks for."""
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    asked = [re.match(r"([\w.-]+)\s*([=<>~!].*)", line) for line in lines]
    return {m[1].lower().replace("_", "-"): m[2].strip() for m in asked if m}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_package_is_pinned_with_its_hashes(lock: str) -> None:
    found = pins(lock)
    assert all(hashes for _, hashes in found.values())
    for name in LOCKS[lock]:
        for package, version in wanted(name).items():
            if package not in APART:
                assert package in found, f"{package} of {name} is not in {lock}: see tests/lock.sh"
                if version.startswith("=="):
                    assert found[package][0] == version[2:], package
    assert not APART & set(found)
    assert not re.search(r"://|index-url|find-links|trusted-host", (ROOT / lock).read_text(encoding="utf-8"))


def test_the_tests_stand_on_what_the_product_stands_on() -> None:
    product, tests = pins("requirements.lock"), pins("tests/requirements.lock")
    assert {name: tests.get(name) for name in product} == product


def test_the_checks_run_on_the_locked_packages() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert re.search(r"pip install .*--require-hashes -r requirements\.lock -r tests/requirements\.lock", script)


def test_no_requirement_is_unused() -> None:
    sources = [*(ROOT / "core").rglob("*.py"), *(ROOT / "app").rglob("*.py")]
    nodes = [node for path in sources for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))]
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    roots = {name.split(".")[0] for name in names}
    unused = {p for p in wanted("requirements.txt") if IMPORTED_AS.get(p, p.replace("-", "_")) not in roots}
    assert unused == NOT_IMPORTED


def licences(package: str) -> set[str]:
    """The licences of an installed package, by their short names."""
    told = metadata(package)
    kinds = [k.split(" :: ")[-1] for k in told.get_all("Classifier") or [] if k.startswith("License ::")]
    kinds = [kind for kind in kinds if kind != "DFSG approved"]
    text = told.get("License-Expression") or " AND ".join(kinds) or (told.get("License") or "").split("\n")[0]
    parts = [part.strip(" ()") if "(MPL" not in part and "(ISCL" not in part else part for part in
             re.split(r" AND | OR ", text or UNWORDED.get(package, ""))]  # fmt: skip
    return {WORDS.get(part.upper(), part.upper()) for part in parts}


@pytest.mark.parametrize("package", sorted({*pins("tests/requirements.lock"), *APART}))
def test_everybody_may_use_it(package: str) -> None:
    try:
        found = licences(package)
    except PackageNotFoundError:
        pytest.skip("not installed here")
    allowed = PERMISSIVE | ({"MPL-2.0"} if package in MPL else set())
    assert found
    assert found <= allowed, f"{package}: {sorted(found)}"
