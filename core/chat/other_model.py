"""Questions to another model behind an endpoint of OpenAI's form, with the user's own key. Torch-free.

The key lives in this process alone: no file, log, message or list of processes holds it, and what a server says is
shown without it. Addresses are https, or http on this machine; redirects are not followed, so that the key goes
nowhere else.
"""

from __future__ import annotations

import ipaddress
import re
import threading
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from core.base.at_once import work_at_once
from core.base.errors import RunError, SettingError
from core.tasks.encoding import as_messages

AT_ONCE = 4
TRIES = 5
LONGEST_WAIT_S = 30.0
TIMEOUT_S = 120.0
BUSY = (408, 409, 425, 429, 500, 502, 503, 504)
_SHOWN = 200  # characters of what a server says
_HOST = re.compile(r"[a-zA-Z0-9._:-]+")  # a name, with other letters spelled as xn--, or an address
_KEY = re.compile("[!-~]*")  # what a header can carry, without spaces: they come from copying


@dataclass(frozen=True)
class Endpoint:
    """`url` as the makers of clients call it: .../v1. The key does not show in any text of this object.
    `transport`: what carries the requests, of tests.

    Raises:
        SettingError: no address that a key may be sent to, or signs that no key has.
    """

    url: str
    model: str
    key: str = field(default="", repr=False)
    max_tokens: int = 512
    transport: Any = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not _takes_a_key(self.url):
            raise SettingError("yardstick.bad_url", url=_without_login(self.url))
        if not _KEY.fullmatch(self.key):
            raise SettingError("yardstick.bad_key")

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc


@dataclass(frozen=True)
class OtherAnswer:
    """An answer with what it took; tokens are 0 where the server does not count them."""

    text: str
    seconds: float
    prompt_tokens: int = 0
    answer_tokens: int = 0


def is_this_machine(host: str) -> bool:
    """Whether a name or address is the loopback one."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def ask_other(
    endpoint: Endpoint, prompts: Sequence[str], stop: threading.Event | None = None
) -> Generator[tuple[int, OtherAnswer], None, None]:
    """(place, answer) as answers come; `stop`, or closing the iterator, ends what is left at once.

    Raises:
        RunError: the server cannot be reached, refuses, or answers in another form.
    """
    import httpx2

    headers, stop = {"Authorization": f"Bearer {endpoint.key}"} if endpoint.key else {}, stop or threading.Event()
    how = {"timeout": TIMEOUT_S, "follow_redirects": False, "transport": endpoint.transport}
    client = httpx2.Client(headers=headers, **how)
    work = partial(_ask, client, endpoint, stop)
    yield from work_at_once(work, prompts, AT_ONCE, stop, at_end=client.close)


def _ask(client: Any, endpoint: Endpoint, stop: threading.Event, prompt: str) -> OtherAnswer | None:
    """The answer; None when it was stopped between two tries."""
    import httpx2

    body = {"model": endpoint.model, "messages": as_messages(prompt), "temperature": 0}
    body["max_tokens"] = endpoint.max_tokens
    address = f"{endpoint.url.rstrip('/')}/chat/completions"
    attempt = 0
    while True:
        began, is_last = time.monotonic(), attempt == TRIES - 1
        try:
            response = client.post(address, json=body)
        except httpx2.HTTPError as error:
            detail = _hidden(f"{type(error).__name__}: {error}", endpoint)
            raise RunError("yardstick.unreachable", host=endpoint.host, detail=detail) from error
        if is_last or not (_adapt(body, response) or response.status_code in BUSY):
            return _read(response, endpoint, time.monotonic() - began)
        if response.status_code in BUSY and stop.wait(_pause(response, attempt)):
            return None
        attempt += 1


def _adapt(body: dict[str, Any], response: Any) -> bool:
    """Some models know no temperature but their own, or call the limit of tokens by its newer name."""
    if response.status_code != 400:
        return False
    if "max_completion_tokens" in response.text and "max_tokens" in body:
        body["max_completion_tokens"] = body.pop("max_tokens")
        return True
    return "temperature" in response.text and body.pop("temperature", None) is not None


def _pause(response: Any, attempt: int) -> float:
    """Seconds to wait: what the server asks for, else 1, 2, 4, ..."""
    asked = str(response.headers.get("retry-after", ""))
    return min(LONGEST_WAIT_S, float(asked) if asked.replace(".", "", 1).isdigit() else 2.0**attempt)


def _read(response: Any, endpoint: Endpoint, seconds: float) -> OtherAnswer:
    if response.status_code != 200:
        detail = _hidden(" ".join(response.text.split()), endpoint)
        raise RunError("yardstick.refused", host=endpoint.host, status=response.status_code, detail=detail)
    try:
        value = response.json()
        text = value["choices"][0]["message"]["content"]
        used = value.get("usage") or {}
        tokens = int(used.get("prompt_tokens") or 0), int(used.get("completion_tokens") or 0)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        detail = _hidden(" ".join(response.text.split()), endpoint)
        raise RunError("yardstick.other_form", host=endpoint.host, detail=detail) from error
    return OtherAnswer(str(text or "").strip(), seconds, *tokens)


def _hidden(text: str, endpoint: Endpoint) -> str:
    """A server may repeat the key in its complaint."""
    return (text.replace(endpoint.key, "***") if endpoint.key else text)[:_SHOWN]


def _takes_a_key(url: str) -> bool:
    """Whether an address can be asked at all (as the client reads it), and a key may be sent there."""
    import httpx2

    try:
        parts, host = urlsplit(url), httpx2.URL(url).raw_host.decode("ascii")
        host.encode("idna")  # as the look-up of names does it: no part empty or too long
        named = bool(_HOST.fullmatch(host)) and (parts.port is None or parts.port > 0)
    except (ValueError, httpx2.InvalidURL):  # of a bracket that does not close, a port or a name that is none
        return False
    secure = parts.scheme == "https" or (parts.scheme == "http" and is_this_machine(parts.hostname or ""))
    return secure and named and not (parts.username or parts.password or parts.query or parts.fragment)


def _without_login(url: str) -> str:
    return re.sub(r"^([^/]*//)?.*@", r"\1", url)[:_SHOWN]
