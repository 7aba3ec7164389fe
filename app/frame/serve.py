"""Arguments of `python app.py` and the strict way the page is served."""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import importlib.util
import logging
import os
import resource
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder
from starlette.middleware import Middleware

from app.frame.theme import ICON_PATH, STYLE_PATH, build_theme
from app.shell.bucket_thread import start_copies
from app.shell.context import Context
from app.shell.fair_queue import QUEUE_SIZE, share_the_queue
from app.shell.guard_rules import LOOPBACK, GuardRules, rules_for
from app.shell.lean_page import turn_values_here
from app.shell.sessions import CAPACITY, bound_sessions
from app.shell.upload_folders import use_own_folder
from app.shell.upload_progress import bound_progress
from app.shell.upload_shares import UploadShares, note_pieces
from app.shell.web_guard import WebGuard, answer_no_other_sites
from core.base.errors import TaskloomError
from core.chat.client import ChatClient
from core.chat.zero_gpu import ZeroGpuChat, on_zero_gpu
from core.tasks.changing.isolation import warm_child
from core.workspace import Workspace

LOG = logging.getLogger("taskloom.app")
MAX_FILE_SIZE = "1gb"  # the largest task file that core reads
SHARED_FILE_SIZE = "200mb"
MOST_FILES = 16_384
M_ARENA_MAX, MOST_HEAPS = -8, 2  # the first as in malloc.h
# How long a handler at work lets the loop that serves all visitors wait for its turn; Python's own is 5 ms, and an
# event needs some dozens of turns.
SWITCH_S = 0.001


def on_space() -> bool:
    """Whether the Hub runs this app as a Space: then the page is public."""
    return bool(os.environ.get("SPACE_ID"))


def parse_arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """Unknown words are left alone, so that a Space or a test runner may add its own."""
    parser = argparse.ArgumentParser(prog="app.py", description="Taskloom in the browser.")
    parser.add_argument(
        "--host", default=os.environ.get("GRADIO_SERVER_NAME") or ("0.0.0.0" if on_space() else "127.0.0.1")
    )
    parser.add_argument("--port", type=int, default=int(os.environ.get("GRADIO_SERVER_PORT") or 7860))
    parser.add_argument("--workspace", help="folder for projects, tasks and runs (TASKLOOM_HOME, else ~/.taskloom)")
    parser.add_argument(
        "--shared", action="store_true", default=on_space(), help="every browser sees only its own projects"
    )
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        help="another name of this page, behind a proxy: NAME (reached by https), or whole as http://NAME:PORT",
    )
    parser.add_argument(
        "--proxy",
        action="append",
        default=[],
        help="address or network of a proxy whose word counts for who asks (X-Forwarded-For, -Proto, -Host)",
    )
    parser.add_argument(
        "--mcp", action="store_true", help="also answer MCP clients (pip install 'gradio[mcp]'); not when --shared"
    )
    return parser.parse_known_args(argv)[0]


def open_context(arguments: argparse.Namespace) -> Context:
    """Workspace and mode of this process; a workspace that cannot be used ends with one clear line."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        workspace = Workspace(arguments.workspace)
        workspace.write_copies()
        use_own_folder(workspace)
        log_path = workspace.root / "chat.log"
        chat = ZeroGpuChat(log_path, refusals=(gr.Error,)) if on_zero_gpu() else ChatClient(log_path=log_path)
        return Context(workspace, shared=arguments.shared, chat=chat, copies=start_copies(workspace))
    except TaskloomError as error:
        sys.exit(f"error: {error}")


def no_statistics() -> None:
    """Gradio's queue summarises up to 10,000 past events with pandas after every event, for a monitoring page that
    is off here: that took 60 % of the server's time. It reads these names when the queue is built."""
    os.environ["GRADIO_ANALYTICS_MAX_EVENTS"] = "1"
    os.environ["GRADIO_ANALYTICS_CACHE_FREQUENCY"] = str(10**12)


def wants_mcp(arguments: argparse.Namespace) -> bool:
    """Whether the calls of `app.frame.api` are offered as MCP tools.

    Without the extra package the page starts all the same."""
    if arguments.mcp and arguments.shared:
        LOG.warning("a shared page offers no MCP tools; start it without --shared")
    elif arguments.mcp and importlib.util.find_spec("mcp") is None:
        LOG.warning("MCP needs a package that is not installed: pip install 'gradio[mcp]'")
    return arguments.mcp and not arguments.shared and importlib.util.find_spec("mcp") is not None


def opened_paths(shared: bool, with_mcp: bool) -> tuple[str, ...]:
    """Paths that programs use: calls by plain HTTP on one's own machine, MCP where it was asked for."""
    mine = () if shared else ("/gradio_api/call/", "/gradio_api/openapi.json")
    return (*mine, "/gradio_api/mcp") if with_mcp else mine


def guard_rules(context: Context | None, arguments: argparse.Namespace, with_mcp: bool) -> GuardRules:
    """What the guard of this page goes by; without a context (it is not the workbench) nothing is signed."""
    try:
        rules = rules_for(arguments.host, on_space(), tuple(arguments.allow_host), tuple(arguments.proxy))
    except TaskloomError as error:
        sys.exit(f"error: {error}")
    opened = opened_paths(arguments.shared, with_mcp)
    if context is None:
        return replace(rules, opened=opened, shared=arguments.shared)
    uploads = UploadShares(context, Path(get_upload_folder()))
    return replace(rules, opened=opened, shared=arguments.shared, key=context.key, uploads=uploads)


def hold_many_connections() -> None:
    """As many files as the system lets this process have, within reason: each open page is a connection or two, and
    the usual 1,024 are soon taken by somebody who only connects."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(MOST_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(ValueError, OSError):  # some systems have a lower limit of their own
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def use_few_heaps() -> None:
    """Bounds the heaps of this process: glibc gives threads heaps of their own, eight a core, and each keeps what
    it once needed. Not by the environment, which the workers would inherit."""
    with contextlib.suppress(AttributeError, OSError):  # another C library
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, MOST_HEAPS)


def prepare_server(rules: GuardRules) -> None:
    """What Gradio and its server read from names and the environment when they are built."""
    no_statistics()
    use_few_heaps()
    sys.setswitchinterval(SWITCH_S)
    hold_many_connections()
    bound_sessions()
    turn_values_here()
    answer_no_other_sites()
    note_pieces()
    bound_progress()
    share_the_queue(rules.shared, rules.key)
    os.environ["FORWARDED_ALLOW_IPS"] = ""  # whose word counts is the guard's to say


def tell_who_reaches_it(arguments: argparse.Namespace, rules: GuardRules) -> None:
    """What the person at the console should know of a page that others reach."""
    if arguments.host not in LOOPBACK and not arguments.shared:
        LOG.warning(
            "the page is open to everybody who reaches %s, without a password; --shared separates visitors",
            arguments.host,
        )
    if rules.by_address and rules.hosts is not None:
        names = ", ".join(sorted(rules.hosts - LOOPBACK))
        LOG.info("served by its addresses and as %s; other names of it are given with --allow-host", names)


def launch(demo: gr.Blocks, arguments: argparse.Namespace, context: Context | None = None, **extra: Any) -> Any:
    """Serves the page until it is closed; meanwhile a reader of files is kept ready."""
    with_mcp = wants_mcp(arguments)
    rules = guard_rules(context, arguments, with_mcp)
    tell_who_reaches_it(arguments, rules)
    prepare_server(rules)
    with warm_child().kept():
        return _serve(demo, arguments, rules, with_mcp=with_mcp, **extra)


def _serve(demo: gr.Blocks, arguments: argparse.Namespace, rules: GuardRules, with_mcp: bool, **extra: Any) -> Any:
    """No analytics, no stored inputs, no internals in errors, no folder readable over HTTP."""
    return demo.queue(default_concurrency_limit=8, max_size=QUEUE_SIZE).launch(
        server_name=arguments.host,
        server_port=arguments.port,
        theme=build_theme(),
        css_paths=[STYLE_PATH],
        ssr_mode=False,
        run_history=False,
        state_session_capacity=CAPACITY,
        show_error=False,
        max_file_size=SHARED_FILE_SIZE if arguments.shared else MAX_FILE_SIZE,
        footer_links=[],
        allowed_paths=[],
        strict_cors=True,
        mcp_server=with_mcp,
        share=False,
        enable_monitoring=False,
        app_kwargs={"middleware": [Middleware(WebGuard, rules=rules)]},
        favicon_path=ICON_PATH if ICON_PATH.is_file() else None,
        _frontend=False,  # no look at the own page first, which ends the app when a busy machine takes 3 s for it
        **extra,
    )
