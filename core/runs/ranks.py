"""Several processes for one run: starting them by torchrun, and what is left behind when one of them dies.

The worker holds the run's lock and starts torchrun's agent, which starts the ranks. Every one of them is killed by
the kernel when its parent dies (Linux), so no rank outlives its worker, whoever is killed.
"""

from __future__ import annotations

import os
import time
from typing import Any

from core.base.errors import RunError, WorkspaceError
from core.base.files import read_json, write_json_atomic
from core.base.processes import Order, Process, identity_of, python, start_beside
from core.runs.folder import RunFolder
from core.runs.states import CANCELLED, FAILED, INTERRUPTED, SUCCEEDED
from core.training.config import RunConfig

LAST_WORDS_S = 15.0
RENDEZVOUS = "TASKLOOM_RENDEZVOUS"  # where the machines of a run meet, from an engine that has just chosen them
_LOST_WORDS = ("closed by peer", "reset by peer", "broken pipe", "socket", "gloo", "timed out")
_LOST_ON_CARDS = ("ncclremoteerror", "ncclsystemerror", "communicator was aborted", "collective operation timeout")
_ORDER = (FAILED, CANCELLED, INTERRUPTED, SUCCEEDED)  # the strongest end of any rank is the end of the run


class RankLost:
    """Tells the death of another process from an error of this one."""

    @staticmethod
    def caused(error: BaseException) -> bool:
        text = str(error).lower()
        is_runtime = isinstance(error, RuntimeError | ConnectionError)
        return (
            is_runtime and "memory" not in text and any(words in text for words in (*_LOST_WORDS, *_LOST_ON_CARDS))
        )


def start_ranks(folder: RunFolder, config: RunConfig, machine: int) -> Process:
    """torchrun's agent with this machine's ranks; their output goes where the worker's goes.

    Raises:
        RunError: several machines without an address to meet at.
    """
    if machine == 0:
        for path in folder.path.glob("rank-*.json"):
            path.unlink()
    command = ["-m", "torch.distributed.run", "--nproc-per-node", str(config.num_processes)]
    if config.num_machines == 1:
        command.append("--standalone")
    else:
        address = os.environ.get(RENDEZVOUS) or config.rendezvous or ""
        host, _, port = address.rpartition(":")
        if not host or not port.isdigit():
            raise RunError("run.no_rendezvous", address=config.rendezvous)
        command += ["--nnodes", str(config.num_machines), "--node-rank", str(machine)]
        command += ["--master-addr", host, "--master-port", port]
    command += ["-m", "core.worker", str(folder.path), "--rank"]
    variables = {**os.environ}  # all of the worker's own, in which a cluster may have put names of its fabric
    if config.num_threads is not None:
        variables["OMP_NUM_THREADS"] = str(config.num_threads)
    return start_beside(Order(python(*command), variables=variables))


def join_machine(folder: RunFolder, machine: int) -> int:
    """Runs this machine's processes of a run that machine 0 started, and returns torchrun's exit code.

    Raises:
        RunError: the run has no such machine.
    """
    config = folder.read_config()
    if not 0 < machine < config.num_machines:
        raise RunError("run.no_machine", name=folder.run_id, machine=machine, count=config.num_machines)
    return start_ranks(folder, config, machine).wait()


def note_rank(folder: RunFolder, rank: int) -> None:
    """Leaves the identity of this process, so that it can be found when its parents are gone."""
    write_json_atomic(folder.rank_path(rank), identity_of(os.getpid()))


def read_ranks(folder: RunFolder) -> list[dict[str, Any]]:
    """Identities of the ranks that were started last."""
    return [dict(read_json(path)) for path in sorted(folder.path.glob("rank-*.json"))]


def write_end(folder: RunFolder, rank: int, state: str, changes: dict[str, Any]) -> None:
    path = folder.rank_path(rank)
    write_json_atomic(path, {**read_json(path), "end": state, "changes": changes})


def read_end(folder: RunFolder) -> tuple[str, dict[str, Any]] | None:
    """The end of the whole run: a failure of any rank before all else; succeeded only when the first rank says so.
    None when the first rank died without a word."""
    ends = [(rank["end"], rank["changes"]) for rank in read_ranks(folder) if "end" in rank]
    for state in _ORDER:
        for end, changes in ends:
            if end == state and (state != SUCCEEDED or len(ends) == len(read_ranks(folder))):
                return end, changes
    return None


def has_lost_rank(folder: RunFolder) -> bool:
    """Whether a rank has ended for the loss of another one. A file that cannot be read at this moment (it lies on a
    disk of several machines, and is asked for all the time) says nothing."""
    try:
        end = read_end(folder)
    except WorkspaceError:
        return False
    return end is not None and end[0] == INTERRUPTED and end[1].get("message_key") == "training.rank_lost"


def wait_for_end(folder: RunFolder, config: RunConfig) -> tuple[str, dict[str, Any]] | None:
    """`read_end` once this machine's ranks are gone; those of others may need a moment for their last word."""
    last = time.monotonic() + (LAST_WORDS_S if config.num_machines > 1 else 0.0)
    while time.monotonic() < last and any("end" not in rank for rank in read_ranks(folder)):
        time.sleep(0.2)
    return read_end(folder)
