"""What a list of runs does not load."""

from __future__ import annotations

import subprocess
import sys


def test_a_list_of_runs_without_results_loads_no_numpy() -> None:
    code = "import sys; from core.runs.summaries import _how_sure; _how_sure({}); sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
