"""So many of something a minute for each name: a bucket that holds a minute's worth and fills all the time."""

from __future__ import annotations

import time

MOST_KNOWN = 10_000  # names that are remembered


class Buckets(dict[str, tuple[float, float]]):
    """Name -> what is left in its bucket, and when that was reckoned."""

    def take(self, name: str, a_minute: int) -> bool:
        """Takes one out; False when nothing is left."""
        now = time.monotonic()
        left, since = self.get(name, (float(a_minute), now))
        left = min(float(a_minute), left + (now - since) * a_minute / 60)
        if len(self) >= MOST_KNOWN:
            for full in [known for known, (_, when) in self.items() if when <= now - 60]:
                del self[full]
        self[name] = (left - 1 if left >= 1 else left, now)
        return left >= 1
