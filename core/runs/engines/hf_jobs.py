"""Hugging Face Jobs: a run on rented hardware of the Hub, paid by the minute, its folder exchanged by a bucket.

The login's token goes into the calls of huggingface_hub's client and nowhere else: no setting, no file, no command,
and the job gets none. So the base model has to be open, or a folder, which travels with the run.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from core.base.errors import RunError
from core.runs.bucket_copy import BucketCopy
from core.runs.engines.bucket_job import bring_back, clear, send_run, send_wishes
from core.runs.folder import RunFolder
from core.runs.launchers import Answer, Expected, Identity, LaunchOrder
from core.runs.states import INTERRUPTED

NAME = "Hugging Face Jobs"
SETTLES_S = 60.0  # after a job has ended its last files arrive
PRICES_S = 600.0
HOURS, FLAVOR, CODE = 2.0, "cpu-basic", "/home/user/app"
_UNITS = {"second": 3600.0, "minute": 60.0, "hour": 1.0}


class HubLauncher:
    """`image`: a container or a Space (hf.co/spaces/NAME) with this program in `code`; `bucket`: its id on the Hub,
    mounted here at `mount`; `hours`: the limit of a job."""

    is_here = False
    joins = False
    settings: Mapping[str, type] = {
        "image": str,
        "flavor": str,
        "hours": float,
        "bucket": str,
        "mount": str,
        "namespace": str,
        "code": str,
    }

    def __init__(self) -> None:
        self._ended: dict[str, float] = {}  # launch -> when its job was first seen to have ended
        self._copies: dict[tuple[Path, Path], BucketCopy] = {}

    def submit(self, order: LaunchOrder) -> dict[str, Any]:
        """
        Raises:
            RunError: a setting is missing, there is no login, or the Hub refuses or does not answer.
        """
        from huggingface_hub import Volume

        given, folder = order.settings, order.folder
        config = folder.read_config()
        if config.num_processes > 1 and config.device != "cpu":
            _require_cards(str(given.get("flavor", FLAVOR)), config.num_processes)
        image = given.get("image") or _own_space()
        for name, value in (("image", image), ("bucket", given.get("bucket"))):
            if not value:
                raise RunError("run.engine_lacks", engine=NAME, name=name)
        with _worded():
            copy = self.bucket(folder.workspace_dir, given)
        command = ["python", "-m", "core.runs.engines.bucket_job", "--bucket", "/bucket", "--home", "/tmp/taskloom"]
        run = str(folder.path.resolve().relative_to(copy.workspace_dir))
        with _worded():
            send_run(copy, folder, order.launch_id)
            job = _client().run_job(
                image=image,
                command=[*command, "--run", run, "--launch", order.launch_id],
                env={"PYTHONPATH": given.get("code", CODE), "TASKLOOM_HOME": "/tmp/taskloom"},
                flavor=given.get("flavor", FLAVOR),
                timeout=round(3600 * float(given.get("hours", HOURS))),
                labels={"app": "taskloom", "run": folder.run_id},
                volumes=[Volume(type="bucket", source=str(given["bucket"]), mount_path="/bucket")],
                namespace=given.get("namespace"),
            )
        return {"job": job.id, "namespace": job.owner.name}

    def alive(self, folder: RunFolder, launch: Identity) -> Answer:
        """The Hub's answer, once what came back by the bucket is in the folder: what a job sent before its end is
        fetched after the end is known. Wishes go there even when the Hub does not answer."""
        with _worded():
            try:
                found = _client().inspect_job(job_id=launch["job"], namespace=launch["namespace"]).status
            finally:
                self._exchange(folder, launch)
        stage, why = str(getattr(found.stage, "value", found.stage)), str(found.message or "")
        if stage == "SCHEDULING":
            return Answer("pending", detail=why)
        if stage == "RUNNING":
            return Answer("working")
        since = self._ended.setdefault(str(launch["launch_id"]), time.monotonic())
        settled = folder.done_path.exists() or folder.read_status().state == INTERRUPTED
        if not settled and time.monotonic() - since < SETTLES_S:
            return Answer("working")
        return Answer("gone", detail=" ".join((stage, why)).strip())

    def cancel(self, folder: RunFolder, launch: Identity) -> None:
        with _worded():
            _client().cancel_job(job_id=launch["job"], namespace=launch["namespace"])
        self._ended[str(launch["launch_id"])] = -math.inf  # ended by force: nothing more is waited for

    def log(self, folder: RunFolder, launch: Identity, num_lines: int) -> str:
        """What the Hub kept of the job's output, and the worker's own log as it came back."""
        with _worded():
            said = _client().fetch_job_logs(job_id=launch["job"], namespace=launch["namespace"], tail=num_lines)
            lines = [*(line.rstrip("\n") for line in said), *folder.read_log(num_lines).splitlines()]
        return "\n".join(lines[-num_lines:])

    def expect(self, settings: Mapping[str, Any]) -> Expected:
        with _worded():
            listed = _machines(int(time.monotonic() / PRICES_S))
        flavor = str(settings.get("flavor", FLAVOR))
        if flavor not in listed:
            raise RunError("run.engine_flavor", engine=NAME, flavor=flavor, known=", ".join(listed))
        return Expected(dollars_an_hour=listed[flavor][0], limit_s=3600 * float(settings.get("hours", HOURS)))

    def _exchange(self, folder: RunFolder, launch: Identity) -> None:
        copy = self.bucket(folder.workspace_dir, launch.get("settings", {}))
        send_wishes(copy, folder, str(launch["launch_id"]))
        bring_back(copy, str(launch["launch_id"]))
        if folder.done_path.exists():
            clear(copy, str(launch["launch_id"]))

    def bucket(self, workspace_dir: Path, settings: Mapping[str, Any]) -> BucketCopy:
        """The bucket as it is mounted here.

        Raises:
            RunError: no mount is named, or there is none. WorkspaceError: it cannot be written.
        """
        mount = str(settings.get("mount") or os.environ.get("TASKLOOM_BUCKET", ""))
        if not mount:
            raise RunError("run.engine_lacks", engine=NAME, name="mount")
        if not Path(mount).is_dir():  # never made here: the job would wait for files of the local disk
            raise RunError("run.engine_mount", engine=NAME, path=mount)
        key = (workspace_dir, Path(mount))
        if key not in self._copies:
            self._copies[key] = BucketCopy(*key)
        return self._copies[key]


def _client() -> Any:
    """The Hub's client with this machine's own login."""
    from huggingface_hub import HfApi

    return HfApi(library_name="taskloom")


@lru_cache(maxsize=2)
def _machines(_: int) -> dict[str, tuple[float, int]]:
    """Dollars an hour and graphics cards by flavor, as the Hub lists them."""
    listed = _client().list_jobs_hardware()
    return {
        one.name: (
            one.unit_cost_usd * _UNITS.get(one.unit_label, 60.0),
            int(one.accelerator.quantity) if one.accelerator else 0,
        )
        for one in listed
    }


def _require_cards(flavor: str, processes: int) -> None:
    """
    Raises:
        RunError: a run of several processes on a machine that has cards, and not one for each.
    """
    with _worded():
        cards = _machines(int(time.monotonic() / PRICES_S)).get(flavor, (0.0, 0))[1]
    if 0 < cards < processes:
        raise RunError("run.engine_cards", engine=NAME, flavor=flavor, cards=cards, processes=processes)


def _own_space() -> str:
    return f"hf.co/spaces/{os.environ['SPACE_ID']}" if os.environ.get("SPACE_ID") else ""


@contextmanager
def _worded() -> Iterator[None]:
    """Errors of the Hub and of the bucket in words, without the request's headers."""
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError, OfflineModeIsEnabled

    def said(error: BaseException) -> str:
        return " ".join(str(error).split())[:300]

    try:
        yield
    except LocalTokenNotFoundError:
        raise RunError("push.no_login") from None
    except HfHubHTTPError as error:
        status = getattr(error.response, "status_code", 0)
        key = "run.engine_refused" if 400 <= status < 500 else "run.engine_no_answer"
        if status in (401, 402, 403):
            key = "run.engine_no_account"
        raise RunError(key, engine=NAME, detail=said(error)) from None
    except (OfflineModeIsEnabled, OSError, httpx2.HTTPError, ValueError, KeyError) as error:
        raise RunError("run.engine_no_answer", engine=NAME, detail=said(error)) from None
