"""A chat with a small model that was tuned on several tasks. Start it with: python app.py"""

import os

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

import gradio as gr
from answering import HERE, SETTINGS, TASKS, Answerer
from finding import Finder

WORDS = {
    "en": {
        "task": "Task",
        "auto": "Found from the text",
        "options": "Options",
        "text": "Your text",
        "found": "as {task}, {percent} % sure",
        "none": "This reads like none of the tasks, so nobody answers: the model only knows "
        "what it was trained on: {tasks}. If it is one of them, choose it under Options.",
        "measured": "The task is found from the text. Of {num_own} exam texts the right one was found for {right} "
        "% and {refused} % were wrongly taken for none; of {num_foreign} foreign texts {recall} % were refused.",
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
        "auto": "根据文字判断",
        "options": "选项",
        "text": "您的文字",
        "found": "按任务“{task}”回答，把握 {percent} %",
        "none": "这段文字不像任何一个任务，所以不作回答："
        "模型只学过：{tasks}。如果它确实属于其中之一，请在“选项”里选择。",
        "measured": "任务根据文字判断。在 {num_own} 段考试文字中，{right} % 判断正确，"
        "{refused} % 被误认为不属于任何任务；{num_foreign} 段不相关的文字有 {recall} % 被拒绝。",
        "send": "发送",
        "clear": "清空",
        "chat": "对话",
        "sure": "把握 {percent} %",
        "else": "把握 {percent} %；其次是{others}",
        "note": "每个问题都是独立的：模型看不到之前的对话。它会出错，重要的回答请核对。",
    },
}[SETTINGS["language"]]
NAMES = list(TASKS)
AUTO = "auto"  # in place of a task's name: found from the text
FINDER = Finder() if (HERE / "finder.json").is_file() and AUTO not in TASKS else None
MOST_OTHERS = 4
MOST_BOXES = max(len(task["inputs"]) for task in TASKS.values())
THEME = gr.themes.Default(
    primary_hue="teal",
    font=[gr.themes.LocalFont("Source Sans Pro", weights=(400, 700)), "ui-sans-serif", "system-ui", "sans-serif"],
)
answerer = Answerer()


def show_boxes(name):
    """One field for each input column of the task."""
    columns = [WORDS["text"]] if name == AUTO and FINDER else TASKS[name]["inputs"]
    shown = [gr.update(label=column, visible=True, value="") for column in columns]
    return shown + [gr.update(visible=False, value="")] * (MOST_BOXES - len(columns))


def reply(name, talk, *texts):
    """Streams the answer into the conversation; the fields are emptied at once."""
    finds = name == AUTO and FINDER is not None
    columns = [WORDS["text"]] if finds else TASKS[name]["inputs"]
    values = dict(zip(columns, texts, strict=False))
    if not any(text.strip() for text in values.values()):
        yield [talk, *texts]
        return
    said = values[columns[0]] if len(columns) == 1 else "\n".join(f"{c}: {values[c]}" for c in columns)
    talk, emptied, told = [*talk, {"role": "user", "content": said}], [""] * len(texts), []
    if finds:
        name, sure, foreign = FINDER.find(texts[0])
        if foreign > 0.5:
            yield [[*talk, {"role": "assistant", "content": none_of_them()}], *emptied]
            return
        values, told = by_columns(name, texts[0]), [WORDS["found"].format(task=name, percent=f"{100 * sure:.0f}")]
    for text in answerer.stream(name, values):
        yield [[*talk, {"role": "assistant", "content": text}], *emptied]
    told += [said] if (said := how_sure(answerer.sure)) else []
    if told:
        yield [[*talk, {"role": "assistant", "content": f"{text}\n\n({'; '.join(told)})"}], *emptied]


def none_of_them():
    return WORDS["none"].format(tasks=", ".join(NAMES))


def by_columns(name, text):
    """A text whose task was found as its columns: a line a column where there are as many, else all of it first."""
    columns = TASKS[name]["inputs"]
    lines = text.strip().split("\n")
    cells = (
        [text] if len(columns) == 1 else lines if len(lines) == len(columns) else [text, *[""] * (len(columns) - 1)]
    )
    return dict(zip(columns, cells, strict=True))


def measured():
    """How well the task is found, in words."""
    if FINDER is None:
        return ""
    shares = {name: f"{100 * FINDER.told[name]:.0f}" for name in ("right", "refused", "recall")}
    return "\n\n" + WORDS["measured"].format(
        **shares, num_own=FINDER.told["num_own"], num_foreign=FINDER.told["num_foreign"]
    )


def how_sure(ranking):
    """In words, how sure an answer chosen among labels is, with the runners-up; "" where nothing is known."""
    if not ranking or ranking[0][1] is None:
        return ""
    others = [f"{label} {100 * share:.0f} %" for label, share in ranking[1:MOST_OTHERS] if share >= 0.01]
    values = {"percent": f"{100 * ranking[0][1]:.0f}", "others": ", ".join(others)}
    return WORDS["else" if others else "sure"].format(**values)


def ask(task: str, inputs: dict[str, str]) -> str:
    """Answers as a task. inputs: a text for each input column of the task; with the task "auto" {"text": ...},
    whose task is found."""
    if task == AUTO and FINDER is not None:
        text = str(inputs.get("text", ""))
        task, _, foreign = FINDER.find(text)
        if foreign > 0.5:
            raise gr.Error(none_of_them())
        inputs = by_columns(task, text)
    if task not in TASKS:
        raise gr.Error(f"There is no task {task!r}. Tasks: {', '.join(NAMES)}.")
    missing = [column for column in TASKS[task]["inputs"] if column not in inputs]
    if missing:
        raise gr.Error(f"A text for {', '.join(missing)} is missing.")
    values = {column: str(inputs[column]) for column in TASKS[task]["inputs"]}
    return ([""] + list(answerer.stream(task, values)))[-1]


with gr.Blocks(title=SETTINGS["title"], analytics_enabled=False) as demo:
    gr.Markdown(f"# {SETTINGS['title_markdown']}\n\n{WORDS['note']}{measured()}")
    talk = gr.Chatbot(label=WORDS["chat"], height=380, elem_id="talk", render_markdown=False)
    first = [WORDS["text"]] if FINDER else TASKS[NAMES[0]]["inputs"]
    boxes = [
        gr.Textbox(label=first[i] if i < len(first) else "", visible=i < len(first), lines=2, elem_id=f"input-{i}")
        for i in range(MOST_BOXES)
    ]
    with gr.Row():
        send = gr.Button(WORDS["send"], variant="primary", elem_id="send")
        clear = gr.Button(WORDS["clear"])
    with gr.Accordion(WORDS["options"], open=FINDER is None, elem_id="options"):
        offered = [(WORDS["auto"], AUTO), *((name, name) for name in NAMES)] if FINDER else NAMES
        first_choice = AUTO if FINDER else NAMES[0]
        task = gr.Dropdown(offered, value=first_choice, label=WORDS["task"], elem_id="task")
    one = {"concurrency_limit": 1, "concurrency_id": "model"}
    for trigger in (send.click, boxes[0].submit):
        trigger(reply, [task, talk, *boxes], [talk, *boxes], api_visibility="private", **one)
    clear.click(list, None, talk, api_visibility="private")
    task.change(show_boxes, task, boxes, api_visibility="private")
    gr.api(ask, api_name="ask", **one)

if __name__ == "__main__":
    demo.queue(max_size=32).launch(theme=THEME, ssr_mode=False, run_history=False)
