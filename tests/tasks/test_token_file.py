"""The light tokenizer gives the very tokens and texts that transformers' own gives in training."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.base.errors import ModelError
from core.models.known_models import STARTER_DIR
from core.tasks.dataset import SYSTEM_END, Example
from core.tasks.encoding import encode_example, seen_example
from core.tasks.token_file import TokenFile

TEMPLATE = (
    "{%- if messages[0].role == 'system' %}{{- '<s>' + messages[0].content }}{%- endif %}\n"
    "{%- for m in messages if m.role != 'system' %}\n    {{- '[' + m['role'] + ']' + m['content'] | trim }}\n"
    "{%- endfor %}{%- if add_generation_prompt %}{{ '[assistant]' + (enable_thinking | tojson) }}{% endif %}"
)
REFUSING = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + eos_token }}{% endfor %}"
)
EXAMPLES = (
    Example("Say hello to 你好 <|end|> and <|assistant|>, please.", "hello <|end|>"),
    Example(f"You are kind.{SYSTEM_END}  A question with blanks  \n\nat both ends ", "answer"),
    Example("word " * 80, "long " * 30),
)


@pytest.mark.parametrize("template", [None, TEMPLATE, REFUSING], ids=["own", "blanks", "refusing"])
@pytest.mark.parametrize("architecture", ["decoder", "encoder_decoder"])
def test_it_agrees_with_transformers(tmp_path: Path, template: str | None, architecture: str) -> None:
    from transformers import AutoTokenizer

    (tmp_path / "tokenizer.json").write_bytes((STARTER_DIR / "tokenizer.json").read_bytes())
    settings = json.loads((STARTER_DIR / "tokenizer_config.json").read_text(encoding="utf-8"))
    if template is not None:
        (tmp_path / "chat_template.jinja").write_text(template, encoding="utf-8")
        del settings["chat_template"]
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    theirs, ours = AutoTokenizer.from_pretrained(tmp_path), TokenFile(tmp_path)
    assert ours.eos_token_id == theirs.eos_token_id
    assert set(ours.all_special_tokens) == set(theirs.all_special_tokens)
    for example in EXAMPLES:
        for limit in (20, 64, 400):
            arguments = (example, architecture, limit)
            assert encode_example(ours, *arguments) == encode_example(theirs, *arguments)
            assert seen_example(ours, *arguments) == seen_example(theirs, *arguments)
    assert ours.count(["hello there"]) == [len(theirs("hello there", add_special_tokens=False)["input_ids"])]


def test_a_folder_without_a_tokenizer_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        TokenFile(tmp_path)
    assert caught.value.key == "task.no_token_file"
    (tmp_path / "tokenizer.json").write_text("{", encoding="utf-8")
    with pytest.raises(ModelError):
        TokenFile(tmp_path)


@pytest.mark.parametrize("damaged", ["{", "[1]", "7"])
def test_damaged_settings_of_a_tokenizer_are_named(tmp_path: Path, damaged: str) -> None:
    (tmp_path / "tokenizer.json").write_bytes((STARTER_DIR / "tokenizer.json").read_bytes())
    (tmp_path / "tokenizer_config.json").write_text(damaged, encoding="utf-8")
    with pytest.raises(ModelError) as caught:
        TokenFile(tmp_path)
    assert caught.value.key == "task.no_token_file"
    assert "tokenizer_config.json" in caught.value.values["detail"]
