"""What visitors may upload: as much as their share of the disk still holds, counted while it comes in.

An upload stands in the page's temporary folder for an hour, whether or not anything becomes of it. Until then it
counts beside the visitor's projects, so that nobody fills the disk with files that belong to nothing. On one's own
machine there are no shares; that some of the disk stays free holds there too.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import tempfile
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from gradio import route_utils

from app.shell.context import Context
from app.shell.upload_folders import KEPT_S, LOOK_EVERY_S
from core.base.errors import WorkspaceError
from core.runs.quotas import disk_mb_of, owner_mark, require_free_disk

OWN_FREE_MB = 200  # what stays free on one's own machine
LOOK_EACH = 8 << 20  # bytes that come in between two looks at the disk
SHARES_OF_ADDRESS = 4  # visitors of one address, such as a clinic's, hold so many shares together at most
COUNTED_S = KEPT_S + LOOK_EVERY_S  # by then the file is gone
PIECE_BYTES = 16 << 10  # of the disk for the smallest file with its folder
MOST_FIELD_BYTES = 64 << 10  # of an upload that belong to no file; pages send none
NO_FILE = "An upload is of files."  # the page sends nothing else: read by programs alone
_PIECES: ContextVar[list[Any] | None] = ContextVar("pieces", default=None)


class FilesOnly(route_utils.GradioMultiPartParser):
    """Gradio's own keeps what belongs to no file in memory, as much as comes, and holds all files of a post open
    until its end: a thousand small ones are as many as this process may have."""

    fields = 0

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._current_part.file is None:
            self.fields += end - start
            if self.fields > MOST_FIELD_BYTES:
                raise route_utils.MultiPartException(NO_FILE)
        super().on_part_data(data, start, end)

    def on_part_end(self) -> None:
        """The rest of a file, less than is read at once, is written here, and the file closed."""
        super().on_part_end()
        part, upload = self._current_part, cast(Any, self._current_part.file)
        if upload is None:
            return
        rest = b"".join(data for other, data in self._file_parts_to_write if other is part)
        if upload.size + len(rest) > self.max_file_size:
            return  # refused by Gradio, which looks at it next
        self._file_parts_to_write = [pair for pair in self._file_parts_to_write if pair[0] is not part]
        self._file_parts_to_finish.remove(part)
        upload.file.write(rest)
        upload.file.close()
        upload.size += len(rest)
        upload.sha.update(rest)


def note_pieces() -> None:
    """From now on an upload knows the files that Gradio writes it into, before it moves them into folders: Gradio
    forgets those of an upload that was broken off, and the folder may hold other people's files, as /tmp does."""
    route_utils.NamedTemporaryFile = _noted_piece  # type: ignore[assignment]
    route_utils.GradioMultiPartParser = FilesOnly  # type: ignore[misc]


def _noted_piece(*given: Any, **named: Any) -> Any:
    piece = tempfile.NamedTemporaryFile(*given, **named)  # noqa: SIM115  Gradio closes it
    pieces = _PIECES.get()
    if pieces is not None:
        pieces.append(piece)
    return piece


@dataclass
class Upload:
    """One upload: when it began, the length it was announced with, and how many bytes of the disk count for it."""

    began: float
    length: int
    size: int
    came: int = 0


@dataclass
class UploadShares:
    """`store`: the temporary folder. Holds uploads by the visitor's mark and by address, never a name."""

    context: Context
    store: Path
    uploads: dict[str, deque[Upload]] = field(default_factory=dict)

    @contextlib.asynccontextmanager
    async def taking(self, who: tuple[str, str], length: int) -> AsyncIterator[Callable[[int], None]]:
        """While the block runs an upload of (mark, address) comes in; gives what is told of each piece of it.

        Raises:
            WorkspaceError: nobody has opened the page, or there is no room; also from what is given.
        """
        if self.context.shared and not who[0]:
            raise WorkspaceError("visitor.unknown")
        self.store.mkdir(parents=True, exist_ok=True)
        projects = await asyncio.to_thread(self._bytes_of_projects, who[0])
        upload = Upload(time.monotonic(), length, length)
        self._require_room(who, projects, upload)
        for key in who:
            self.uploads.setdefault(key, deque()).append(upload)
        pieces: list[Any] = []
        before = _PIECES.set(pieces)
        try:
            yield self._counting(who, projects, upload, pieces)
        finally:
            _PIECES.reset(before)
            self._end(upload, pieces)

    def _counting(
        self, who: tuple[str, str], projects: int, upload: Upload, pieces: list[Any]
    ) -> Callable[[int], None]:
        looked = 0

        def count(length: int) -> None:
            nonlocal looked
            upload.came += length
            taken = upload.came + PIECE_BYTES * max(0, len(pieces) - 1)
            if taken > upload.size:  # nothing was announced, or less, or many small files
                upload.size = taken
                self._require_room(who, projects, upload)
            if upload.came - looked >= LOOK_EACH:
                looked = upload.came
                self._require_free(0)

        return count

    def _require_room(self, who: tuple[str, str], projects: int, upload: Upload) -> None:
        self._require_free(upload.size - upload.came)
        if not self.context.shared:
            return
        bound = self.context.quota.disk_mb
        for key, here, shares, word in (
            (who[0], projects, 1, "quota.uploads"),
            (who[1], 0, SHARES_OF_ADDRESS, "quota.uploads_here"),
        ):
            used = here + upload.size + sum(other.size for other in self._recent(key) if other is not upload)
            if used > shares * bound << 20:
                needed = math.ceil(used / (1 << 20))
                raise WorkspaceError(word, used=needed, bound=shares * bound, minutes=COUNTED_S // 60)

    def _require_free(self, coming: int) -> None:
        require_free_disk(self.store, self.context.quota.free_mb if self.context.shared else OWN_FREE_MB, coming)

    def _bytes_of_projects(self, mark: str) -> int:
        if not self.context.shared:
            return 0
        workspace = self.context.workspace
        owners = {project.owner for project in workspace.list_projects() if owner_mark(project.owner) == mark}
        return round(sum(disk_mb_of(workspace, owner) for owner in owners) * (1 << 20))

    def _recent(self, key: str) -> list[Upload]:
        """What came within the time for which it is kept."""
        found = self.uploads.get(key, deque())
        while found and found[0].began < time.monotonic() - COUNTED_S:
            found.popleft()
        if not found:
            self.uploads.pop(key, None)
        return list(found)

    def _end(self, upload: Upload, pieces: list[Any]) -> None:
        """What was broken off goes at once, and counts no more. Whole uploads lie in folders by now."""
        for piece in pieces:
            piece.close()
            Path(piece.name).unlink(missing_ok=True)
        if upload.came < upload.length:
            upload.size = 0
        if self.store.resolve() == (self.context.workspace.root / "temporary").resolve():
            self._sweep()

    def _sweep(self) -> None:
        """Pieces of a process that was ended in their midst. Only in a folder that nobody else writes to."""
        for path in self.store.glob("tmp*"):
            with contextlib.suppress(OSError):  # another app on this workspace was here first
                if path.is_file() and time.time() - path.stat().st_mtime > KEPT_S:
                    path.unlink()
