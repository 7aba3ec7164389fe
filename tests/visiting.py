"""A browser tab without a browser: it speaks the page's own HTTP, as fast or as wrongly as a test wants.

    visitor = Visitor(address)
    visitor.open()                                  # what a page load does
    visitor.fire("project-sample", "click")         # an elem_id and an event; what follows from it follows
    visitor.value("project-create")

Like the page it sends the values it holds for an event, takes over the answers, and goes on with the events
of states and components that changed. It keeps one stream open while anything is under way.
"""

from __future__ import annotations

import http.client
import json
import re
import secrets
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

PATIENCE_S = 120.0
SCREENS = ("home", "tasks", "train", "results", "skills", "grow", "try_it", "share")


class VisitError(Exception):
    """The page answered an event with an error; the text is what a user would read."""


class Visitor:
    """One open tab. `seconds` collects (name of the first event, seconds until all that follows was there)."""

    def __init__(self, address: str, headers: dict[str, str] | None = None, source: str = "") -> None:
        """`source`: the address it comes from, such as another of this machine (127.0.0.2)."""
        parts = urlsplit(address)
        self.host, self.port = parts.hostname or "127.0.0.1", parts.port or 80
        self._source = (source, 0) if source else None
        self.headers = {"Content-Type": "application/json", "Origin": address.rstrip("/"), **(headers or {})}
        self.session = secrets.token_hex(6)
        self.seconds: list[tuple[str, float]] = []
        self._lines = threading.local()
        self._opened: list[http.client.HTTPConnection] = []
        weakref.finalize(self, _close_all, self._opened)
        page = self.request("GET", "/")[1].decode()  # as a browser: what the page posts carries its word
        found = re.search(r"'x-taskloom-page', '(\w+)'", page)
        self.headers |= {"x-taskloom-page": found[1]} if found else {}
        config = self.get_json("/config")
        self.components = {c["id"]: c for c in config["components"]}
        self.events = config["dependencies"]
        self.ids = {c["props"].get("elem_id"): c["id"] for c in config["components"]}
        self.values = {c["id"]: c["props"].get("value") for c in config["components"]}

    # The wire
    def request(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
        """-> (status, bytes); one connection a thread, opened again when the server closed it."""
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        for attempt in (1, 2):
            line = getattr(self._lines, "line", None) or self._line()
            if line not in self._opened:
                self._opened.append(line)
            self._lines.line = line
            try:
                line.request(method, path, data, {**self.headers, **(headers or {})})
                answer = line.getresponse()
                return answer.status, answer.read()
            except (http.client.HTTPException, OSError):
                line.close()
                self._opened.remove(line)
                self._lines.line = None
                if attempt == 2:
                    raise
        raise AssertionError

    def _line(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self.host, self.port, timeout=PATIENCE_S, source_address=self._source)

    def get_json(self, path: str) -> Any:
        status, data = self.request("GET", path)
        if status != 200:
            raise VisitError(f"{path}: {status}")
        return json.loads(data)

    def upload(self, name: str, data: bytes) -> dict[str, Any]:
        """What the file field holds after an upload."""
        edge = "----taskloom"
        head = f'--{edge}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'.encode()
        body = head + data + f"\r\n--{edge}--\r\n".encode()
        kind = {"Content-Type": f"multipart/form-data; boundary={edge}"}
        status, answer = self.request("POST", "/gradio_api/upload", body, kind)
        if status != 200:
            raise VisitError(f"upload: {status} {answer[:200]!r}")
        path = json.loads(answer)[0]
        return {"path": path, "orig_name": name, "size": len(data), "meta": {"_type": "gradio.FileData"}}

    # The page
    def open(self) -> Visitor:
        started = time.monotonic()
        self._run([e for e in self.events if any(target[1] == "load" for target in e["targets"])], None)
        self.seconds.append(("open", time.monotonic() - started))
        return self

    def look_at(self, screen: str) -> Visitor:
        """Opens a screen ("tasks"), which is drawn when it is opened."""
        kept = [number for number, c in self.components.items() if c["type"] == "browserstate"]
        number = next(number for number in kept if self.listening(number, "change"))
        self.fire_at(number, "change", value=f"tab.{screen}", name=screen)
        return self

    def look_at_all(self) -> Visitor:
        for screen in SCREENS:
            self.look_at(screen)
        return self

    def value(self, elem_id: str) -> Any:
        return self.values[self.ids[elem_id]]

    def fire(self, elem_id: str, event: str, data: Any = None, value: Any = None) -> None:
        """An event at a component, with the value the user gave it; returns when all that follows is there."""
        self.fire_at(self.ids[elem_id], event, data, value, elem_id)

    def fire_at(self, number: int, event: str, data: Any = None, value: Any = None, name: str = "") -> None:
        if value is not None:
            self.values[number] = value
        started = time.monotonic()
        chosen = self.listening(number, event)
        if not chosen:
            raise AssertionError(f"nothing listens to {event} of {name or number}")
        self._run(chosen, data)
        self.seconds.append((f"{name or number}.{event}", time.monotonic() - started))

    def tick(self) -> None:
        timer = next(c["id"] for c in self.components.values() if c["type"] == "timer")
        self.fire_at(timer, "tick", name="timer")

    def _chained(self, event_id: int) -> list[dict[str, Any]]:
        """What is to happen after an event that went well."""
        after = [e for e in self.events if e.get("trigger_after") == event_id]
        return [e for e in after if e["backend_fn"] and not e.get("trigger_only_on_failure")]

    def listening(self, number: int, event: str) -> list[dict[str, Any]]:
        """Events that ask the server; what only the browser does is left out."""
        return [e for e in self.events if e["backend_fn"] and [number, event] in [list(t) for t in e["targets"]]]

    def call(self, event_id: int, data: list[Any], event_data: Any = None) -> dict[str, Any]:
        """One endpoint called directly with any data, as an intruder would. -> the output message."""
        pending = self._join(event_id, data, event_data)
        outcome: dict[str, Any] = {}
        self._listen({pending: event_id}, lambda _, output: outcome.update(output))
        return outcome

    def _run(self, chosen: list[dict[str, Any]], data: Any) -> None:
        """Sends events, reads the stream, and goes on with what they set off, until nothing is under way."""
        pending = {self._join(e["id"], self._inputs(e), data): e["id"] for e in chosen}

        def take(event_id: int, output: dict[str, Any]) -> None:
            if "error" in output:
                raise VisitError(str(output["error"]))
            event = next(e for e in self.events if e["id"] == event_id)
            for following in self._take_over(event, output) + self._chained(event_id):
                pending[self._join(following["id"], self._inputs(following), None)] = following["id"]

        while pending:
            self._listen(pending, take)

    def _inputs(self, event: dict[str, Any]) -> list[Any]:
        return [self.values.get(number) for number in event["inputs"]]

    def _take_over(self, event: dict[str, Any], output: dict[str, Any]) -> list[dict[str, Any]]:
        """Keeps the new values; -> events that follow from changed states and components."""
        following = [e for n in output.get("changed_state_ids") or [] for e in self.listening(n, "change")]
        for number, found in zip(event["outputs"], output.get("data", []), strict=False):
            if isinstance(found, dict) and found.get("__type__") == "update":
                self.components[number]["props"] |= {k: v for k, v in found.items() if k != "__type__"}
                if "value" not in found:
                    continue
                found = found["value"]
            is_state = self.components[number]["type"] == "state"
            if isinstance(found, str) and (word := re.search(r'data-visitor="([\w.]+)"', found)):
                self.headers["x-taskloom-visitor"] = word[1]
            if not is_state and found != self.values.get(number):
                self.values[number] = found
                following += self.listening(number, "change")
        return [e for i, e in enumerate(following) if e not in following[:i]]

    def _join(self, event_id: int, data: list[Any], event_data: Any) -> str:
        body = {"data": data, "event_data": event_data, "fn_index": event_id, "session_hash": self.session}
        status, answer = self.request("POST", "/gradio_api/queue/join", body)
        if status != 200:
            raise VisitError(f"event {event_id}: {status} {answer[:200]!r}")
        return str(json.loads(answer)["event_id"])

    def _listen(self, pending: dict[str, int], take: Callable[[int, dict[str, Any]], None]) -> None:
        line = self._line()
        line.request("GET", f"/gradio_api/queue/data?session_hash={self.session}", headers=self.headers)
        stream = line.getresponse()
        try:
            for raw in stream:
                if not raw.startswith(b"data:"):
                    continue
                message = json.loads(raw[5:])
                if message["msg"] == "process_completed":
                    take(pending.pop(message["event_id"]), message["output"])
                elif message["msg"] == "unexpected_error":
                    raise VisitError(str(message))
                if message["msg"] == "close_stream" or not pending:
                    return
        finally:
            stream.close()
            line.close()


def _close_all(lines: list[http.client.HTTPConnection]) -> None:
    for line in lines:
        line.close()
