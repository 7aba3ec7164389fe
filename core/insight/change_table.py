"""What a change of a task's mixture did, in words; no more than the interval holds. Torch-free;
`core.asking.what_if` measures it."""

from __future__ import annotations

from typing import Any

from core.evaluation.intervals import Difference
from core.messages import Sentence


def describe_change_of_task(found: dict[str, Any]) -> list[Sentence]:
    """From which score to which, and whether that is more than chance."""
    if not found["rows"]:
        return []
    change = Difference(**found["difference"])
    points = {"before": f"{100 * found['before']['value']:.1f}", "after": f"{100 * found['after']['value']:.1f}"}
    band = {"low": f"{100 * change.low:+.1f}", "high": f"{100 * change.high:+.1f}"}
    values = {"task": found["task"], "metric": found["metric"], "rows": found["rows"], **points, **band}
    return [Sentence("says.what_if_sure" if change.is_sure else "says.what_if_unsure", values)]
