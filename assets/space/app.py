"""A chat with a small model that was tuned on several tasks. Start it with: python app.py"""

import os

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

import gradio as gr
from answering import SETTINGS, TASKS, Answerer

WORDS = {
    "en": {
        "task": "Task",
        "send": "Send",
        "clear": "Clear",
        "chat": "Conversation",
        "sure": "{percent} % sure",
        "else": "{percent} % sure; else {others}",
        "note": "Every question stands alone: the model does not see earlier ones. It makes mistakes; check "
        "answers that matter.",
    },
    "zh": {
        "task": "任务",
        "send": "发送",
        "clear": "清空",
        "chat": "对话",
        "sure": "把握 {percent} %",
        "else": "把握 {percent} %；其次是{others}",
        "note": "每个问题都是独立的：模型看不到之前的对话。它会出错，重要的回答请核对。",
    },
}[SETTINGS["language"]]
NAMES = list(TASKS)
MOST_OTHERS = 4
MOST_BOXES = max(len(task["inputs"]) for task in TASKS.values())
THEME = gr.themes.Default(
    primary_hue="teal",
    font=[gr.themes.LocalFont("Source Sans Pro", weights=(400, 700)), "ui-sans-serif", "system-ui", "sans-serif"],
)
answerer = Answerer()


def show_boxes(name):
    """One field for each input column of the task."""
    columns = TASKS[name]["inputs"]
    shown = [gr.update(label=column, visible=True, value="") for column in columns]
    return shown + [gr.update(visible=False, value="")] * (MOST_BOXES - len(columns))


def reply(name, talk, *texts):
    """Streams the answer into the conversation; the fields are emptied at once."""
    columns = TASKS[name]["inputs"]
    values = dict(zip(columns, texts, strict=False))
    if not any(text.strip() for text in values.values()):
        yield [talk, *texts]
        return
    said = values[columns[0]] if len(columns) == 1 else "\n".join(f"{c}: {values[c]}" for c in columns)
    talk = [*talk, {"role": "user", "content": said}]
    for text in answerer.stream(name, values):
        yield [[*talk, {"role": "assistant", "content": text}], *[""] * len(texts)]
    if said := how_sure(answerer.sure):
        yield [[*talk, {"role": "assistant", "content": f"{text}\n\n({said})"}], *[""] * len(texts)]


def how_sure(ranking):
    """In words, how sure an answer chosen among labels is, with the runners-up; "" where nothing is known."""
    if not ranking or ranking[0][1] is None:
        return ""
    others = [f"{label} {100 * share:.0f} %" for label, share in ranking[1:MOST_OTHERS] if share >= 0.01]
    values = {"percent": f"{100 * ranking[0][1]:.0f}", "others": ", ".join(others)}
    return WORDS["else" if others else "sure"].format(**values)


def ask(task: str, inputs: dict[str, str]) -> str:
    """Answers as a task. inputs: a text for each input column of the task."""
    if task not in TASKS:
        raise gr.Error(f"There is no task {task!r}. Tasks: {', '.join(NAMES)}.")
    missing = [column for column in TASKS[task]["inputs"] if column not in inputs]
    if missing:
        raise gr.Error(f"A text for {', '.join(missing)} is missing.")
    values = {column: str(inputs[column]) for column in TASKS[task]["inputs"]}
    return ([""] + list(answerer.stream(task, values)))[-1]


with gr.Blocks(title=SETTINGS["title"], analytics_enabled=False) as demo:
    gr.Markdown(f"# {SETTINGS['title_markdown']}\n\n{WORDS['note']}")
    task = gr.Dropdown(NAMES, value=NAMES[0], label=WORDS["task"], elem_id="task")
    talk = gr.Chatbot(label=WORDS["chat"], height=380, elem_id="talk", render_markdown=False)
    first = TASKS[NAMES[0]]["inputs"]
    boxes = [
        gr.Textbox(label=first[i] if i < len(first) else "", visible=i < len(first), lines=2, elem_id=f"input-{i}")
        for i in range(MOST_BOXES)
    ]
    with gr.Row():
        send = gr.Button(WORDS["send"], variant="primary", elem_id="send")
        clear = gr.Button(WORDS["clear"])
    one = {"concurrency_limit": 1, "concurrency_id": "model"}
    for trigger in (send.click, boxes[0].submit):
        trigger(reply, [task, talk, *boxes], [talk, *boxes], api_visibility="private", **one)
    clear.click(list, None, talk, api_visibility="private")
    task.change(show_boxes, task, boxes, api_visibility="private")
    gr.api(ask, api_name="ask", **one)

if __name__ == "__main__":
    demo.queue(max_size=32).launch(theme=THEME, ssr_mode=False, run_history=False)
