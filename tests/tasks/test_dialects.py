"""A table written in any dialect is read back, or the doubt is shown: nothing is read wrongly in silence."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from core.tasks.reading.files import read_table
from tests.tasks.dialect_tables import Written, written_tables

QUIET = [HealthCheck.too_slow, HealthCheck.large_base_example, HealthCheck.data_too_large]


def read_back(written: Written) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        path.write_bytes(written.data)
        table = read_table(path)
    found = [tuple(row.values()) for row in table.rows]
    same_head = table.columns == written.columns if written.columns else not table.has_header
    assert (found == written.rows and same_head) or table.doubts, (written.about, table.columns, found[:3])


@settings(max_examples=60, deadline=None, suppress_health_check=QUIET)
@given(written_tables())
def test_a_table_in_any_dialect_is_read_back_or_asked_about(written: Written) -> None:
    read_back(written)


@pytest.mark.slow
@settings(max_examples=2000, deadline=None, suppress_health_check=QUIET)
@given(written_tables())
def test_no_silent_difference_in_two_thousand_tables(written: Written) -> None:
    read_back(written)
