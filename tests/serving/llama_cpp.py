"""Asks llama.cpp itself, in a process of its own: `python llama_cpp.py REQUEST.json`.

REQUEST.json holds {"model", "lora": path or null, "prompts": texts or null, "chats": lists of messages or null,
"tokens", "out"}; `out` gets {"texts": [...], "chats": [...]}, all greedy.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import xllamacpp


def ask(request: dict[str, Any]) -> dict[str, list[str]]:
    params = xllamacpp.CommonParams()
    params.model.path = request["model"]
    params.n_ctx, params.n_parallel, params.warmup, params.use_jinja = 512, 1, False, True
    params.cpuparams.n_threads = 1
    if request["lora"]:
        params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(request["lora"], 1.0)]
    server = xllamacpp.Server(params)
    told = {"temperature": 0.0, "cache_prompt": False}
    texts, chats = [], []
    for prompt in request["prompts"] or []:
        found = server.handle_completions({"prompt": prompt, "n_predict": request["tokens"], **told})
        texts.append(found.get("content", found.get("choices", [{}])[0].get("text", str(found))))
    for messages in request["chats"] or []:
        found = server.handle_chat_completions({"messages": messages, "max_tokens": request["tokens"], **told})
        chats.append(found["choices"][0]["message"]["content"])
    return {"texts": texts, "chats": chats}


if __name__ == "__main__":
    asked = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    Path(asked["out"]).write_text(json.dumps(ask(asked)), encoding="utf-8")
