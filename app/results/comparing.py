"""Two runs side by side: is one better, where, and which settings differ. Escaped HTML, built on demand."""

from __future__ import annotations

from pathlib import Path

from app.drawing.forms import setting_labels
from app.drawing.markup import badge, esc, note, paragraphs, part, table
from app.results.score_table import word_doubt
from app.texts import say, word_error, word_value
from core.runs.folder import RunFolder
from core.runs.rerun import config_difference


def comparison_view(first: Path, second: Path) -> str:
    """Sentences, one row a task (second minus first in points of 100), and the settings that differ.

    Raises:
        RunError: the runs have no task or no exam rows in common.
    """
    from core.insight.compare import (  # scipy.stats: only when it is asked for
        compare_runs,
        describe_comparison,
        describe_standings,
        shown_p,
    )

    comparisons = compare_runs(first, second)
    told = [*describe_comparison(comparisons), *describe_standings(first, second, comparisons)]
    said = [word_error(s.key, s.values)[0] for s in told]
    rows = [
        [
            f"<b>{esc(c.task)}</b>",
            esc(say(f"metric.{c.metric}")),
            f"{100 * c.difference.value:+.1f}",
            f"[{100 * c.difference.low:+.1f}, {100 * c.difference.high:+.1f}]",
            esc(shown_p(c.p_adjusted)),
            badge(say("compare.sure"), "good")
            if c.is_sure
            else badge(word_doubt(c.difference, c.is_sure) or word_error("unsure.chance", {})[0]),
        ]
        for c in comparisons
    ]
    names = (
        "results.task",
        "results.metric",
        "compare.difference",
        "compare.range",
        "compare.p",
        "compare.verdict",
    )
    head = note(say("compare.note", first=_name(first), second=_name(second)))
    shown = table([say(name) for name in names], rows, numeric=(2, 3, 4))
    return head + shown + paragraphs(said) + settings_view(first, second)


def settings_view(first: Path, second: Path) -> str:
    """The settings in which two runs differ."""
    differ = config_difference(RunFolder(first).read_config(), RunFolder(second).read_config())
    if not differ:
        return note(say("compare.same_settings"))
    label = setting_labels()
    rows = [[esc(label(name)), *(esc(word_value(name, value)) for value in pair)] for name, pair in differ.items()]
    headers = [say("compare.setting"), _name(first), _name(second)]
    return part(say("compare.settings")) + table(headers, rows)


def _name(run_dir: Path) -> str:
    return str(RunFolder(run_dir).read_run()["name"])
