"""How far uploads are, remembered for those that are under way.

Gradio 6.31 keeps a signal for every upload, and for every name that anybody asks about, for as long as it runs.
"""

from __future__ import annotations

from collections import Counter

from gradio import routes
from gradio.route_utils import FileUploadProgress

MOST_UPLOADS = (
    256  # under way, or whose end nobody has asked for; and as many that are asked about before they begin
)


class BoundedProgress(FileUploadProgress):
    """The oldest are forgotten first: an upload goes on, and only its bar stands still."""

    def __init__(self) -> None:
        super().__init__()
        self._asking: Counter[str] = Counter()  # how many wait for an upload's beginning

    def track(self, upload_id: str) -> None:
        super().track(upload_id)
        while len(self._statuses) > MOST_UPLOADS:
            self.stop_tracking(next(iter(self._statuses)))

    async def is_tracked(self, upload_id: str) -> bool:
        """Waited for by whoever asks about an upload that has not begun; forgotten when they give up."""
        if upload_id not in self._signals and len(self._signals) >= 2 * MOST_UPLOADS:
            return False
        self._asking[upload_id] += 1
        try:
            return await super().is_tracked(upload_id)
        finally:
            self._asking[upload_id] -= 1
            if not self._asking[upload_id]:
                del self._asking[upload_id]
                if upload_id not in self._statuses:
                    self._signals.pop(upload_id, None)

    def stop_tracking(self, upload_id: str) -> None:
        super().stop_tracking(upload_id)
        self._signals.pop(upload_id, None)


def bound_progress() -> None:
    """From now on: Gradio looks the name up at every request."""
    routes.file_upload_statuses = BoundedProgress()
