"""push RUN REPO: an export of a trained run to the Hub, with the login of this machine"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from core.base.errors import RunError
from core.commands.export import add_wish, export_to, warn_before_sharing
from core.commands.output import Report, Verbs, add_verb, table


def add_parser(verbs: Verbs) -> None:
    parser = add_verb(verbs, "push", push, "export a trained run and push it to the Hub with this machine's login")
    parser.add_argument("run", help="run id, or a unique beginning of it")
    parser.add_argument("repo", help="name of the repository, NAME or USER/NAME; several tasks get NAME-TASK each")
    add_wish(parser)
    parser.add_argument("--public", action="store_true", help="everybody may see it (default: only you)")


def push(args: argparse.Namespace) -> Report:
    """The token comes from `hf auth login` or HF_TOKEN and is no argument, so no list of processes shows it."""
    from core.export.hub import PushWish, login_token, push_folder

    token = login_token()
    if not token:  # before minutes of exporting
        raise RunError("push.no_login")
    sys.stderr.writelines(f"{line}\n" for line in warn_before_sharing(args) if line)
    done: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="taskloom-push-") as place:
        exports = export_to(args, Path(place) / "files")
        for number, export in enumerate(exports, 1):
            repo = args.repo if len(exports) == 1 else f"{args.repo}-{_short(export.task or '') or number}"
            pushed = push_folder(export.folder, PushWish(repo, args.kind, private=not args.public), token)
            done.append({"task": export.task, "repo": pushed.repo, "url": pushed.url, "commit": pushed.commit})
    rows = [[d["task"] or "all", d["url"], d["commit"][:10]] for d in done]
    return Report(done, table(rows, ["task", "address", "commit"]))


def _short(name: str) -> str:
    """A task's name as part of a repository's name; '' when nothing of it can stay."""
    return "-".join(re.findall(r"[a-z0-9]+", name.lower()))[:40]
