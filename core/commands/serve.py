"""serve RUN: trained runs behind an HTTP endpoint that existing chat clients understand"""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

from core.base.errors import RunError
from core.commands.output import Report, Verbs, add_verb

TOKEN_VARIABLE = "TASKLOOM_SERVE_TOKEN"


def add_parser(verbs: Verbs) -> None:
    from core.chat.protocol import PRECISIONS

    parser = add_verb(verbs, "serve", serve, "answer over HTTP, in the form of OpenAI's chat API")
    parser.add_argument("run", nargs="+", help="run ids, or unique beginnings of them")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    parser.add_argument("--port", type=int, default=8000, help="port (default 8000; 0: any free one)")
    parser.add_argument(
        "--precision", default="full", choices=PRECISIONS, help="int8 or int4 where this machine's libraries can"
    )
    parser.add_argument(
        "--no-token", action="store_true", help="ask for no API key; only when listening on this machine"
    )


def serve(args: argparse.Namespace) -> Report:
    import secrets  # here: it brings OpenSSL's sums, which help does without

    from core.chat.client import ChatClient
    from core.chat.endpoint import LOOPBACK, build_server
    from core.chat.service import Service, find_models

    if args.no_token and args.host not in LOOPBACK:
        raise RunError("serving.token_needed", host=args.host)
    models = find_models(_trained(args))
    token = "" if args.no_token else os.environ.get(TOKEN_VARIABLE) or secrets.token_urlsafe(24)
    client = ChatClient()
    try:
        service = Service(models, client, token, precision=args.precision)
        server = build_server(service, args.host, args.port)
    except OSError as error:
        detail = error.strerror or str(error)
        raise RunError("serving.address", host=args.host, port=args.port, detail=detail) from error
    url = f"http://{args.host}:{server.port}/v1"
    if not args.json:
        _tell(url, token, list(models))
    try:
        server.serve()
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
    finally:
        server.close()
        client.close()
    return Report({"url": url, "models": list(models)})


def _trained(args: argparse.Namespace) -> list[Any]:
    from core.runs.folder import RunFolder
    from core.workspace import Workspace

    workspace = Workspace(args.workspace)
    folders = [RunFolder(workspace.find_run_dir(name)) for name in args.run]
    for folder in folders:
        if not folder.adapter_dir.is_dir():
            raise RunError("serving.no_adapter", run=folder.run_id)
    return [folder.path for folder in folders]


def _tell(url: str, token: str, models: list[str]) -> None:
    key = "from the environment" if os.environ.get(TOKEN_VARIABLE) and token else token or "none needed"
    listed = "\n".join(f"  {name}" for name in models)
    print(f"Serving at {url} (Ctrl-C ends it)\nAPI key: {key}\nModels:\n{listed}", flush=True)
