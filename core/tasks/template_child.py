"""The child process that runs a stranger's chat template: one question a line as JSON, one answer a line.

Started as `python -m core.tasks.template_child` by `core.tasks.chat_template` with a limit of memory; the limit of
processor time it sets itself anew before every question. It ends with its input.
"""

from __future__ import annotations

import json
import resource
import sys
from typing import Any

from core.tasks.template_world import TEMPLATE_FAULTS, compile_template

MAX_TEXT = 16 << 20  # characters of one conversation as written


def answer(question: dict[str, Any]) -> dict[str, str]:
    """{"text": ...}, or why there is none: `refused` by the template, `failed`, or `too_much`."""
    from jinja2.exceptions import TemplateError

    try:
        text = str(compile_template(question["template"]).render(question["values"]))
    except TemplateError as error:
        return {"refused": _said(error)}
    except (MemoryError, OverflowError):
        return {"too_much": ""}
    except TEMPLATE_FAULTS as error:
        return {"failed": _said(error)}
    return {"text": text} if len(text) <= MAX_TEXT else {"too_much": ""}


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:300]


def main() -> int:
    for line in sys.stdin:
        question = json.loads(line)
        used = resource.getrusage(resource.RUSAGE_SELF)
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        until = int(used.ru_utime + used.ru_stime) + question["seconds"]
        resource.setrlimit(resource.RLIMIT_CPU, (until, hard))
        print(json.dumps(answer(question)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
