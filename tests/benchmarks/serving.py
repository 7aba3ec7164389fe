"""The chat's promised numbers on the starter: first token when warm, sixteen callers of four tasks, int8.

    python tests/benchmarks/serving.py [--rounds 5] [--tokens 32] [--base-model FOLDER] [--out FILE.json]

A run with four tasks and an adapter of random numbers (speed does not depend on what was learned) is asked by one
caller and by sixteen at once, in turns (A/B/A/B), because machines are shared; ratios are medians over the rounds
with their quartiles, by the clock and by the worker's processor time. Every concurrent answer must equal the answer
to the question alone. The same questions are then answered with 8-bit weights. Exit code 1: a promise is broken.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from core.chat.client import ChatClient  # noqa: E402
from core.chat.protocol import ChatEvent, ChatRequest, ask  # noqa: E402
from core.models.known_models import STARTER_DIR  # noqa: E402
from tests.serving.conftest import make_trained_run  # noqa: E402

CALLERS, TASKS = 16, 4
FIRST_TOKEN_S, SPEED_UP = 0.5, 3.0
TEXTS = ("my card was lost on the way", "please book a table for two", "the battery is empty again", "what is it")


def build_requests(run_dir: Path, tokens: int, precision: str) -> list[ChatRequest]:
    """Sixteen different questions to four tasks, greedy, of equal longest answers."""
    return [
        ask(
            run_dir,
            f"task {i % TASKS}",
            f"message {i}: {TEXTS[i // TASKS]}",
            max_new_tokens=tokens,
            precision=precision,
        )
        for i in range(CALLERS)
    ]


def one_by_one(client: ChatClient, requests: list[ChatRequest]) -> tuple[float, list[ChatEvent]]:
    began = time.monotonic()
    done = [client.answer(request) for request in requests]
    return time.monotonic() - began, done


def at_once(client: ChatClient, requests: list[ChatRequest]) -> tuple[float, list[ChatEvent]]:
    found: dict[int, ChatEvent] = {}

    def run(index: int) -> None:
        found[index] = client.answer(requests[index])

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(requests))]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.monotonic() - began, [found[i] for i in range(len(requests))]


def measure(client: ChatClient, requests: list[ChatRequest], rounds: int) -> dict[str, Any]:
    one_by_one(client, requests[:2])  # loads and warms up
    alone: list[float] = []
    together: list[float] = []
    firsts: list[float] = []
    processor: list[float] = []
    wrong = 0
    tokens = 0
    for _ in range(rounds):
        used = [processor_s(client)]
        seconds, solo = one_by_one(client, requests)
        used.append(processor_s(client))
        alone.append(seconds)
        firsts += [done.first_s or 0.0 for done in solo]
        seconds, crowd = at_once(client, requests)
        together.append(seconds)
        used.append(processor_s(client))
        processor.append((used[1] - used[0]) / (used[2] - used[1]))
        wrong += sum(a.text != b.text for a, b in zip(solo, crowd, strict=True))
        tokens = sum(done.tokens for done in solo)
    ratios = [a / b for a, b in zip(alone, together, strict=True)]
    return {
        "first_token_s": quartiles(firsts),
        "one_by_one_s": quartiles(alone),
        "at_once_s": quartiles(together),
        "speed_up": quartiles(ratios),
        "speed_up_processor": quartiles(processor),
        "tokens": tokens,
        "tokens_per_s_one": tokens / statistics.median(alone),
        "tokens_per_s_all": tokens / statistics.median(together),
        "different_answers": wrong,
    }


def quartiles(values: list[float]) -> list[float]:
    """[lower quartile, median, upper quartile]"""
    low, middle, high = statistics.quantiles(values, n=4) if len(values) > 1 else values * 3
    return [round(low, 4), round(middle, 4), round(high, 4)]


def processor_s(client: ChatClient) -> float:
    """Processor seconds that the worker has used."""
    import psutil

    times = psutil.Process(client.worker_pid).cpu_times()
    return float(times.user + times.system)


def worker_memory_mb(client: ChatClient) -> int:
    import psutil

    return int(psutil.Process(client.worker_pid).memory_info().rss / 1e6)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--base-model", default=str(STARTER_DIR))
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    found: dict[str, Any] = {
        "base_model": Path(arguments.base_model).name,
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "load": os.getloadavg()[0],
        "callers": CALLERS,
        "tasks": TASKS,
        "rounds": arguments.rounds,
    }
    with tempfile.TemporaryDirectory() as folder:
        run_dir = make_trained_run(Path(folder), Path(arguments.base_model), num_tasks=TASKS)
        for precision in ("full", "int8"):
            client = ChatClient(log_path=Path(folder) / "log")
            requests = build_requests(run_dir, arguments.tokens, precision)
            found[precision] = measure(client, requests, arguments.rounds)
            found[precision]["worker_mb"] = worker_memory_mb(client)
            client.close()
            print(json.dumps({precision: found[precision]}), file=sys.stderr, flush=True)
    print(json.dumps(found, indent=1))
    if arguments.out:
        arguments.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    full = found["full"]
    kept = full["first_token_s"][1] < FIRST_TOKEN_S and full["speed_up"][1] >= SPEED_UP
    return 0 if kept and not full["different_answers"] else 1


if __name__ == "__main__":
    sys.exit(main())
