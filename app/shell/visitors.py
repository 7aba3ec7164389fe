"""Who is behind a request. On one's own machine everything belongs to "local"; on a shared page to a Hub login
where one is used, else to a 128-bit id that only the visitor's browser knows."""

from __future__ import annotations

import os
import time
from typing import Any

import gradio as gr
from gradio.context import LocalContext

from app.shell.selection import is_browser_id
from core.base.errors import WorkspaceError
from core.workspace import Project, Workspace

SIGNED_IN = "hub-"


def login_offered() -> bool:
    """Whether this is a Space with a login configured; elsewhere Gradio's login button would stop the launch."""
    return bool(os.environ.get("SPACE_ID") and os.environ.get("OAUTH_CLIENT_ID"))


def signed_in_name(request: Any) -> str:
    """The user name of a Hub login that has not expired, read from the signed session cookie; "" without one."""
    session = _session(request)
    login = session.get("oauth_info") if isinstance(session, dict) else None
    if not login or login.get("expires_at", float("inf")) < time.time():
        return ""
    return str(login.get("userinfo", {}).get("preferred_username", ""))


def signed_in_token(request: Any = None) -> str:
    """The token of the request's own Hub login, for what the visitor asks for now; "" without one."""
    request = request or LocalContext.request.get(None)
    return str(_session(request)["oauth_info"].get("access_token", "")) if signed_in_name(request) else ""


def owner_of_visit(browser_owner: str, request: Any, shared: bool) -> str:
    """The owner of a page that opens: the login's when somebody is signed in, else the browser's."""
    name = signed_in_name(request) if shared else ""
    return f"{SIGNED_IN}{name}" if name else browser_owner


def require_visitor(owner: str, shared: bool, request: Any = None) -> None:
    """Refuses a shared page's handler for anybody who has not opened the page as this owner.

    A login counts only with the request that carries it: a page left open by somebody who has signed out, or a
    session id that was handed on, reads nothing.

    Raises:
        WorkspaceError: there is no such visitor behind the request.
    """
    if not shared or is_browser_id(owner):
        return
    name = signed_in_name(request or LocalContext.request.get(None))
    if not name or owner != f"{SIGNED_IN}{name}":
        raise WorkspaceError("visitor.unknown")


def take_along(workspace: Workspace, browser_owner: str, owner: str) -> list[Project]:
    """Who signs in keeps the projects made in this browser before: they become the login's."""
    if not owner.startswith(SIGNED_IN) or not is_browser_id(browser_owner):
        return []
    return [workspace.give_project(project, owner) for project in workspace.list_projects(browser_owner)]


def _session(request: Any) -> Any:
    """The session cookie's content behind a gr.Request; None where no login is set up."""
    plain = request.request if isinstance(request, gr.Request) else request
    scope = getattr(plain, "scope", None)
    return scope.get("session") if isinstance(scope, dict) else None
