"""Forms of data sets are unfolded, or refused by their name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from core.base.errors import TaskFileError
from core.tasks.reading.files import read_table
from core.tasks.reading.forms.registry import FORMS
from tests.tasks.forms import pairs, roles, save, told, turns

# --- conversations
CONVERSATIONS = {
    "messages": lambda q, a: {"messages": turns(q, a)},
    "sharegpt": lambda q, a: {"conversations": turns(q, a, ("from", "value", "human", "gpt"))},
    "gemini": lambda q, a: {
        "contents": [{"role": "user", "parts": [{"text": q}]}, {"role": "model", "parts": [{"text": a}]}]
    },
    "cohere": lambda q, a: {"messages": turns(q, a, ("role", "content", "User", "Chatbot"))},
    "pairs of one object": lambda q, a: {"conversation": [{"human": q, "assistant": a}]},
    "content parts": lambda q, a: {
        "messages": [{"role": "user", "content": [{"type": "text", "text": q}]}, *turns(q, a)[1:]]
    },
    "a text of JSON": lambda q, a: {"messages": json.dumps(turns(q, a))},
    "a text of Python": lambda q, a: {"messages": str(turns(q, a))},
    "prompt and completion": lambda q, a: {"prompt": turns(q, a)[:1], "completion": turns(q, a)[1:]},
    "messages and completion": lambda q, a: {"messages": turns(q, a)[:1], "completion": a},
    "preference": lambda q, a: {"chosen": turns(q, a), "rejected": turns(q, "No idea.")},
    "preference of texts": lambda q, a: {"prompt": q, "chosen": a, "rejected": "No idea."},
    "preference of answers": lambda q, a: {
        "prompt": q,
        "chosen": turns(q, a)[1:],
        "rejected": turns(q, "No idea.")[1:],
    },
    "preference of marked texts": lambda q, a: {
        "chosen": f"\n\nHuman: {q}\n\nAssistant: {a}",
        "rejected": "\n\nHuman: x\n\nAssistant: y",
    },
    "preference of OpenAI": lambda q, a: {
        "input": {"messages": turns(q, a)[:1]},
        "preferred_output": turns(q, a)[1:],
        "non_preferred_output": turns(q, "x")[1:],
    },
    "ChatML": lambda q, a: {"text": f"<|im_start|>user\n{q}<|im_end|>\n<|im_start|>assistant\n{a}<|im_end|>\n"},
    "Llama 2": lambda q, a: {"text": f"<s>[INST] {q} [/INST] {a} </s>"},
    "Llama 3": lambda q, a: {
        "text": f"<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n{q}<|eot_id|>"
        f"<|start_header_id|>assistant<|end_header_id|>\n\n{a}<|eot_id|>"
    },
    "Gemma": lambda q, a: {
        "text": f"<bos><start_of_turn>user\n{q}<end_of_turn>\n<start_of_turn>model\n{a}<end_of_turn>\n"
    },
    "Zephyr": lambda q, a: {"text": f"<|user|>\n{q}</s>\n<|assistant|>\n{a}</s>"},
    "Guanaco": lambda q, a: {"text": f"### Human: {q}\n### Assistant: {a}"},
    "Alpaca as a text": lambda q, a: {"text": f"### Instruction:\n{q}\n\n### Response:\n{a}"},
    "Vicuna": lambda q, a: {"text": f"USER: {q} ASSISTANT: {a}"},
    "named turns": lambda q, a: {"text": f"User: {q}\nAssistant: {a}"},
}


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_every_way_to_write_a_question_and_its_answer(tmp_path: Path, name: str) -> None:
    table = read_table(save(tmp_path / "chat.jsonl", [CONVERSATIONS[name](q, a) for q, a in pairs()]))
    assert [(row["user"], row["assistant"]) for row in table.rows] == pairs()
    assert roles(table) == (("user",), ("assistant",))
    assert any(p.key.startswith("form.") and p.severity == "note" for p in table.problems)
    assert not [p for p in table.problems if p.severity != "note"]


def test_messages_as_a_text_in_a_csv(tmp_path: Path) -> None:
    path = tmp_path / "chat.csv"
    cells = [json.dumps(turns(q, a)).replace('"', '""') for q, a in pairs()]
    path.write_text("id,messages\n" + "".join(f'{i},"{cell}"\n' for i, cell in enumerate(cells)), encoding="utf-8")
    table = read_table(path)
    assert [(row["user"], row["assistant"]) for row in table.rows] == pairs()
    assert roles(table) == (("user",), ("assistant",))


TOOLS = [
    {"from": "human", "value": "Who is in?"},
    {"from": "function_call", "value": "find()"},
    {"from": "observation", "value": "Ada"},
    {"from": "gpt", "value": "Ada is."},
    {"from": "narrator", "value": "Night."},
    {"from": "human", "value": "And now?"},
    {"from": "gpt", "value": "Nobody."},
]


def test_turns_of_tools_are_kept_as_history(tmp_path: Path) -> None:
    plain = turns("Who?", "Me.", ("from", "value", "human", "gpt"))
    table = read_table(save(tmp_path / "a.json", [{"conversations": c} for c in (TOOLS, plain, plain)]))
    assert [(r["user"], r["assistant"]) for r in table.rows[:2]] == [
        ("Who is in?", "Ada is."),
        ("And now?", "Nobody."),
    ]
    assert table.rows[0]["history"] == "Function call: find()\nObservation: Ada"
    assert table.rows[1]["history"].startswith(
        "User: Who is in?\nFunction call: find()\nObservation: Ada\nAssistant: Ada is."
    )
    assert "Narrator: Night." in table.rows[1]["history"]
    assert told(table)["form.other_roles"]["roles"] == "function_call (1), observation (1), narrator (1)"
    assert roles(table) == (("history", "user"), ("assistant",))


def test_what_is_no_answer_is_said(tmp_path: Path) -> None:
    talk = [
        {"role": "assistant", "content": "Welcome!"},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello.", "weight": 0},
        {"role": "user", "content": "Which day?"},
        {
            "role": "assistant",
            "content": [{"type": "text", "text": "Monday."}, {"type": "image_url", "image_url": "x"}],
        },
        {"role": "assistant", "content": "Or Tuesday."},
        {"role": "user", "content": "Thanks"},
    ]
    table = read_table(save(tmp_path / "a.json", [{"messages": talk}, {"messages": turns("a b", "c")}]))
    assert [r["assistant"] for r in table.rows] == ["Monday.\nOr Tuesday.", "c"]
    assert "Assistant: Hello." in table.rows[0]["history"]
    found = told(table)
    assert (found["form.unasked"]["count"], found["form.unanswered"]["count"]) == (1, 1)
    assert found["form.no_text_parts"]["count"] == 1


def test_one_conversation_that_is_odd_is_left_out_by_its_line(tmp_path: Path) -> None:
    good = [{"messages": turns(q, a)} for q, a in pairs()]
    table = read_table(
        save(tmp_path / "a.jsonl", [*good, {"messages": "to do"}, {"messages": [{"role": "user", "content": "x"}]}])
    )
    assert len(table.rows) == 6
    assert [(p.key, p.values["line"]) for p in table.problems if p.severity == "warning"] == [
        ("file.no_answer_turn", 7),
        ("file.no_answer_turn", 8),
    ]


def test_alpaca_with_history(tmp_path: Path) -> None:
    rows = [
        {"instruction": q, "input": "", "output": a, "history": [["Good day", "Hello"]] if i % 2 else []}
        for i, (q, a) in enumerate(pairs())
    ]
    table = read_table(save(tmp_path / "a.json", rows))
    assert table.rows[1]["history"] == "User: Good day\nAssistant: Hello"
    assert roles(table) == (("history", "instruction"), ("output",))


def test_one_conversation_alone(tmp_path: Path) -> None:
    talk = [*turns("One?", "Two."), *turns("Three?", "Four.")]
    for name, value in (("a", talk), ("b", {"id": "x", "messages": talk})):
        table = read_table(save(tmp_path / f"{name}.json", value))
        assert [r["assistant"] for r in table.rows] == ["Two.", "Four."]


def test_a_text_that_quotes_a_talk_beside_its_label_stays_a_text(tmp_path: Path) -> None:
    rows = [{"text": f"User: {q}\nAssistant: {a}", "label": "ab"[i % 2]} for i, (q, a) in enumerate(pairs())]
    table = read_table(save(tmp_path / "a.jsonl", rows))
    assert table.columns == ("text", "label")


# --- annotations
def test_squad_with_several_and_no_answers(tmp_path: Path) -> None:
    qas = [
        {
            "id": "1",
            "question": "Which door?",
            "answers": [{"text": "the red", "answer_start": 3}, {"text": "red", "answer_start": 7}],
        },
        {
            "id": "2",
            "question": "Which gate?",
            "answers": [],
            "is_impossible": True,
            "plausible_answers": [{"text": "red"}],
        },
    ]
    value = {
        "version": "v2.0",
        "data": [
            {"title": f"T{i}", "paragraphs": [{"context": f"In {i} the red door hums.", "qas": qas}]}
            for i in range(5)
        ],
    }
    table = read_table(save(tmp_path / "a.json", value))
    assert [r["answer"] for r in table.rows[:2]] == ["the red", []]
    assert roles(table) == (("context", "question"), ("answer",))
    assert (told(table)["form.several_answers"]["count"], told(table)["form.no_answer"]["count"]) == (5, 5)


def test_the_flat_form_of_squad(tmp_path: Path) -> None:
    rows = [
        {
            "id": str(i),
            "context": f"The {w} hums.",
            "question": f"What hums in {i}?",
            "answers": {"text": [w, f"the {w}"], "answer_start": [4, 0]},
        }
        for i, w in enumerate(["door", "gate", "lamp", "pump"])
    ]
    table = read_table(save(tmp_path / "a.jsonl", rows))
    assert [r["answer"] for r in table.rows] == ["door", "gate", "lamp", "pump"]
    assert roles(table) == (("context", "question"), ("answer",))


SPANS = {
    "doccano": ("label", lambda s, e, w: [s, e, "THING"]),
    "doccano 2": ("entities", lambda s, e, w: {"id": 1, "label": "THING", "start_offset": s, "end_offset": e}),
    "prodigy": ("spans", lambda s, e, w: {"start": s, "end": e, "label": "THING", "token_start": 1}),
    "rasa": ("entities", lambda s, e, w: {"start": s, "end": e, "value": w, "entity": "THING"}),
    "inclusive": ("entities", lambda s, e, w: [s, e - 1, "THING"]),
}


@pytest.mark.parametrize("name", SPANS)
def test_marked_places_become_words(tmp_path: Path, name: str) -> None:
    column, span = SPANS[name]
    rows = []
    for i, word in enumerate(["window", "door", "lamp", "gate"]):
        text = f"In flat {i} the {word} hums."
        rows.append({"text": text, column: [span(text.index(word), text.index(word) + len(word), word)]})
    rows.append({"text": "Nothing at all.", column: []})
    table = read_table(save(tmp_path / "a.jsonl", rows))
    assert [r[column] for r in table.rows] == [
        ["THING: window"],
        ["THING: door"],
        ["THING: lamp"],
        ["THING: gate"],
        [],
    ]
    assert ("form.inclusive_ends" in told(table)) == (name == "inclusive")


def test_spacy_lists(tmp_path: Path) -> None:
    rows = [
        [f"the {w} hums in {i}", {"entities": [[4, 4 + len(w), "T"]]}]
        for i, w in enumerate(["door", "gate", "lamp"])
    ]
    table = read_table(save(tmp_path / "a.json", rows))
    assert table.rows[0] == {"column_1": "the door hums in 0", "column_2.entities": ["T: door"]}


def test_places_outside_of_their_text_are_said(tmp_path: Path) -> None:
    rows = [{"text": "the door hums", "label": [[4, 8, "T"]]} for _ in range(60)]
    rows[55] = {"text": "short", "label": [[4, 80, "T"]]}
    table = read_table(save(tmp_path / "a.jsonl", rows))
    assert table.rows[55]["label"] == []
    assert told(table)["form.outside"] == {"file": "a.jsonl", "column": "label", "count": 1, "lines": "56"}


def studio(value: dict[str, Any], kind: str, name: str, **more: Any) -> dict[str, Any]:
    return {"result": [{"from_name": name, "to_name": "text", "type": kind, "value": value}], **more}


def test_label_studio(tmp_path: Path) -> None:
    tasks = [
        {
            "id": i,
            "data": {"text": f"The {w} hums."},
            "annotations": [studio({"choices": ["bad" if i % 2 else "good"]}, "choices", "mood")],
        }
        for i, w in enumerate(["door", "gate", "lamp", "pump"])
    ]
    tasks[1]["annotations"].append(studio({"choices": ["good"]}, "choices", "mood"))
    tasks.append({"id": 9, "data": {"text": "Later."}, "annotations": []})
    tasks.append(
        {"id": 10, "data": {"text": "Odd."}, "annotations": [studio({}, "choices", "mood", was_cancelled=True)]}
    )
    table = read_table(save(tmp_path / "a.json", tasks))
    assert table.rows[:2] == [{"text": "The door hums.", "mood": "good"}, {"text": "The gate hums.", "mood": "bad"}]
    assert len(table.rows) == 4
    assert (told(table)["form.label_studio_empty"]["count"], told(table)["form.label_studio_several"]["count"]) == (
        2,
        1,
    )
    named = [
        {
            "id": i,
            "data": {"text": f"The {w} hums."},
            "annotations": [
                studio({"start": 4, "end": 4 + len(w), "text": w, "labels": ["THING"]}, "labels", "ner")
            ],
        }
        for i, w in enumerate(["door", "gate", "lamp", "pump"])
    ]
    assert read_table(save(tmp_path / "b.json", named)).rows[0] == {
        "text": "The door hums.",
        "ner": ["THING: door"],
    }


def test_tokens_with_tags(tmp_path: Path) -> None:
    rows = [
        {"id": str(i), "tokens": ["Ada", "Lovelace", "met", w], "ner_tags": ["B-PER", "I-PER", "O", "B-PER"]}
        for i, w in enumerate(["Bo", "Cy", "Di"])
    ]
    table = read_table(save(tmp_path / "a.jsonl", rows))
    assert (table.rows[0]["text"], table.rows[0]["entities"]) == (
        "Ada Lovelace met Bo",
        ["PER: Ada Lovelace", "PER: Bo"],
    )
    chinese = [{"tokens": ["我", "在", "北", "京"], "ner_tags": ["O", "O", "B-LOC", "I-LOC"]}] * 2
    assert read_table(save(tmp_path / "b.jsonl", chinese)).rows[0] == {
        "text": "我在北京",
        "entities": ["LOC: 北京"],
    }
    for row in rows:
        row["ner_tags"] = [1, 2, 0, 1]
    with pytest.raises(TaskFileError) as caught:
        read_table(save(tmp_path / "c.jsonl", rows))
    assert caught.value.key == "form.tag_numbers"


def test_intents_with_their_examples(tmp_path: Path) -> None:
    value = {
        "intents": [
            {"tag": tag, "patterns": [f"{tag} {w}" for w in "abc"], "responses": ["ok"]} for tag in ("in", "out")
        ]
    }
    table = read_table(save(tmp_path / "a.json", value))
    assert table.rows[3] == {"tag": "out", "patterns": "out a", "responses": ["ok"]}
    assert roles(table) == (("patterns",), ("tag",))


def test_a_dialogue_of_bare_texts(tmp_path: Path) -> None:
    table = read_table(
        save(tmp_path / "a.json", [{"dialog": ["One?", f"Two {i}.", "Three?", "Four."]} for i in range(5)])
    )
    assert (table.rows[1]["user"], table.rows[1]["assistant"]) == ("Three?", "Four.")
    assert "form.alternating" in told(table)


def test_answers_that_were_judged_bad_are_not_practised(tmp_path: Path) -> None:
    rows = [{"prompt": q, "completion": a, "label": i % 2 == 0} for i, (q, a) in enumerate(pairs())]
    table = read_table(save(tmp_path / "a.jsonl", rows))
    assert [row["completion"] for row in table.rows] == [a for _, a in pairs()[::2]]
    assert (told(table)["form.judged"]["left_out"], roles(table)) == (3, (("prompt",), ("completion",)))
    ranked = [{"prompt": q, "responses": ["No.", a], "scores": [1, 5.5]} for q, a in pairs()]
    assert [row["responses"] for row in read_table(save(tmp_path / "b.jsonl", ranked)).rows] == [
        a for _, a in pairs()
    ]


def test_choices_are_asked_with_their_question(tmp_path: Path) -> None:
    rows = [{"question": q, "choices": ["red", "blue", a], "answer": i % 3} for i, (q, a) in enumerate(pairs())]
    table = read_table(save(tmp_path / "a.jsonl", rows))
    assert (table.rows[1]["choices"], table.rows[1]["answer"]) == (f"A. red\nB. blue\nC. {pairs()[1][1]}", "B")
    assert roles(table) == (("question", "choices"), ("answer",))
    letters = [{"question": q, "choices": {"text": ["x", "y"], "label": ["A", "B"]}, "answerKey": "AB"[i % 2]}
               for i, (q, _) in enumerate(pairs())]  # fmt: skip
    table = read_table(save(tmp_path / "b.jsonl", letters))
    assert roles(table) == (("question", "choices.text"), ("answerKey",))
    one = [{"question": q, "options": ["x", "y"], "answer": 1 + i % 2} for i, (q, _) in enumerate(pairs())]
    assert [r["answer"] for r in read_table(save(tmp_path / "c.jsonl", one)).rows[:2]] == [
        "A",
        "B",
    ]  # counted from 1


def test_flags_of_categories_become_their_names(tmp_path: Path) -> None:
    rows = [
        {"text": q, "cats": {"urgent": float(i % 2), "noise": float(i < 2)}} for i, (q, _) in enumerate(pairs())
    ]
    table = read_table(save(tmp_path / "a.jsonl", rows))
    assert [r["cats"] for r in table.rows[:3]] == [["noise"], ["urgent", "noise"], []]
    assert told(table)["form.category_flags"]["names"] == "urgent, noise"


def test_instruction_data_is_known_by_its_columns(tmp_path: Path) -> None:
    rows = [
        {"instruction": q, "context": "" if i % 2 else "a b c", "response": a, "category": ["qa", "open"][i % 2]}
        for i, (q, a) in enumerate(pairs())
    ]
    assert roles(read_table(save(tmp_path / "a.jsonl", rows))) == (("context", "instruction"), ("response",))


def test_a_conversation_without_an_answer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TaskFileError) as caught:
        read_table(save(tmp_path / "a.jsonl", [{"messages": turns(q, a)[:1]} for q, a in pairs()]))
    assert caught.value.key == "form.nobody_answers"


def test_a_form_that_nobody_knows_is_said(tmp_path: Path) -> None:
    rows = [{"text": q, "label": a, "extra": [{"x": 1, "y": [2]}]} for q, a in pairs()]
    assert told(read_table(save(tmp_path / "a.jsonl", rows)))["form.nested"]["columns"] == "extra"


def test_every_form_has_words_and_stands_in_the_registry_once() -> None:
    from core.messages import MESSAGES

    assert {f"form.{name}" for name in FORMS.names()} <= {*MESSAGES}
