"""Pushing an export to the Hub with the user's own login.

The token stays in this process: it is given to huggingface_hub's client and goes into the Authorization header,
never into arguments, files, logs, error texts or the environment of a child process. Torch-free, so that the page
can push by itself what another process has exported.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.base.errors import RunError
from core.export.card import SPACE

_REPO = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}")
NEEDED_FILE = "README.md"


@dataclass(frozen=True)
class PushWish:
    """Where a folder goes: `repo` is NAME or USER/NAME, private by default; `kind` as in `card.KINDS`."""

    repo: str
    kind: str
    private: bool = True
    message: str = "Made with Taskloom"


@dataclass(frozen=True)
class Pushed:
    """Where it went: repository, its page, and the commit."""

    repo: str
    url: str
    commit: str


def login_token() -> str:
    """The token of this machine's own Hub login (`hf auth login`, or HF_TOKEN); '' when there is none."""
    from huggingface_hub import get_token

    return get_token() or ""


def push_folder(folder: Path, wish: PushWish, token: str) -> Pushed:
    """Makes the repository where it does not exist, and uploads an export in one commit.

    Raises:
        RunError: no login, a bad name, the Hub refused or cannot be reached.
    """
    import httpx2
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled
    from huggingface_hub.utils import disable_progress_bars

    if not token.strip():
        raise RunError("push.no_login")
    if not (folder / NEEDED_FILE).is_file():
        raise RunError("push.no_export", folder=str(folder))
    disable_progress_bars()
    client = HfApi(token=token.strip(), library_name="taskloom")
    kind = "space" if wish.kind == SPACE else "model"
    try:
        repo = full_name(client, wish.repo)
        sdk = "gradio" if kind == "space" else None
        client.create_repo(repo, repo_type=kind, private=wish.private, exist_ok=True, space_sdk=sdk)
        done = client.upload_folder(repo_id=repo, repo_type=kind, folder_path=folder, commit_message=wish.message)
    except HfHubHTTPError as error:
        raise _refused(error, wish.repo, token) from None  # the chain would carry the request's headers into logs
    except (OfflineModeIsEnabled, OSError, httpx2.HTTPError) as error:
        raise RunError("push.unreachable", detail=_said(error, token)) from None
    except (HFValidationError, RuntimeError, ValueError) as error:
        raise RunError("push.refused", repo=wish.repo, detail=_said(error, token)) from None
    return Pushed(repo, f"{client.endpoint}/{'spaces/' if kind == 'space' else ''}{repo}", str(done.oid))


def full_name(client: Any, repo: str) -> str:
    """USER/NAME from NAME; the user is the one who is logged in.

    Raises:
        RunError: not a name that the Hub takes.
    """
    repo = repo.strip()
    if "/" not in repo and _NAME.fullmatch(repo):
        repo = f"{client.whoami()['name']}/{repo}"
    if not _REPO.fullmatch(repo) or ".." in repo or "--" in repo:
        raise RunError("push.bad_name", repo=repo)
    return repo


def _refused(error: Exception, repo: str, token: str) -> RunError:
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in (401, 403):
        return RunError("push.not_allowed", repo=repo, status=status)
    return RunError("push.refused", repo=repo, detail=_said(error, token))


def _said(error: Exception, token: str) -> str:
    """One line of what an error (or what it came from) says, without the token."""
    said = getattr(error, "server_message", None) or str(error.__cause__ or error)
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__).replace(token, "***")[:300]
