"""The Jobs part of the Hub's API: keeps jobs in memory, checks the token, and lets a test move them by hand."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

CARD = {"type": "gpu", "model": "L4", "quantity": "1", "vram": "24 GB", "manufacturer": "Nvidia"}


@dataclass
class FakeJobs:
    """`specs`: what each job was asked for; `stages`: where it is; `bodies`: everything that was sent."""

    token: str
    address: str = ""
    specs: list[dict[str, Any]] = field(default_factory=list)
    stages: dict[str, str] = field(default_factory=dict)
    bodies: bytes = b""
    refuses: bool = False
    is_down: bool = False

    def answer(self, method: str, path: str, headers: Any, body: bytes) -> tuple[int, Any]:
        path, self.bodies = path.partition("?")[0], self.bodies + body
        if self.is_down:
            return 503, {"error": "down for a moment"}
        if path == "/api/jobs/hardware":
            cost = {"unitCostMicroUSD": 13333, "unitCostUSD": 0.8 / 60, "unitLabel": "minute"}
            return 200, [
                {"name": "l4x1", "prettyName": "L4", "cpu": "8 vCPU", "ram": "30 GB", "accelerator": CARD, **cost}
            ]
        if headers.get("authorization") != f"Bearer {self.token}":
            return 401, {"error": "Invalid username or password."}
        if path == "/api/whoami-v2":
            return 200, {"type": "user", "name": "nurse"}
        if (method, path) == ("POST", "/api/jobs/nurse"):
            return self._run(json.loads(body))
        found = re.fullmatch(r"/api/jobs/nurse/(\w+)(/\w+)?", path)
        if not found or found[1] not in self.stages:
            return 404, {"error": "Job not found"}
        if found[2] == "/cancel":
            self.stages[found[1]] = "CANCELED"
        if found[2] == "/logs":
            event = {"timestamp": "2026-11-30T12:00:00Z", "data": "said by the container"}
            return 200, f"data: {json.dumps(event)}\n\n"
        return 200, self._info(found[1])

    def _run(self, spec: dict[str, Any]) -> tuple[int, Any]:
        if self.refuses:
            return 402, {"error": "Add credits to run jobs."}
        self.specs.append(spec)
        job = f"job{len(self.specs)}"
        self.stages[job] = "SCHEDULING"
        return 200, self._info(job)

    def _info(self, job: str) -> dict[str, Any]:
        owner = {"id": "1", "name": "nurse", "type": "user"}
        return {"id": job, "owner": owner, "status": {"stage": self.stages[job], "message": None}}
