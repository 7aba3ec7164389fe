"""Wording of insight, serving and the command line: errors, and sentences about tables (keys `says.*`, no hint)."""

MESSAGES: dict[str, tuple[str, str]] = {
    "insight.no_allocation": (
        "The run {run} has no allocation yet.",
        "Wait until stage 1 has begun, or look at a finished run.",
    ),
    "insight.no_results": (
        "The run {run} has no exam results yet.",
        "Wait until the exam is over, or start it with: python -m core evaluate {run}.",
    ),
    "insight.allocation_shape": (
        "The allocation has the shape {found}, but the run's layers, tasks and skills ask for {expected}.",
        "The run folder is damaged; train again.",
    ),
    "insight.no_layer": ("There is no layer {layer!r}.", "Layers of this run: {known}."),
    "insight.nothing_shared": (
        "The two runs have no task or no skill in common.",
        "Choose two runs of the same project and method.",
    ),
    "insight.no_task": ("The run has no task {task!r}.", "Its tasks: {known}."),
    "insight.no_predictions": (
        "The run {run} has no exam answers for {task}.",
        "Start the exam with: python -m core evaluate {run}.",
    ),
    "insight.other_rows": (
        "The two runs answered different exam rows of {task}.",
        "Compare runs that were trained on the same version of the task.",
    ),
    "insight.no_probe": (
        "The run {run} has no outcome of {kind} yet.",
        "Start it with: python -m core {kind} {run}.",
    ),
    "insight.no_knock_out": (
        "The skills of the method {method} cannot be switched off one by one.",
        "Choose a run of a method with several skills, for example cpoly.",
    ),
    "study.same_label": (
        "Two arms of the study have the same label ({labels}).",
        "Give each a label of its own: 'label: method key=value'.",
    ),
    "study.empty_arm": ("{text!r} names no method.", "Write for example --arm 'cpoly adapter.rank=4'."),
    "insight.has_task": (
        "The run {run} knows the task {task} already.",
        "Choose a task that was not trained, or another run.",
    ),
    "insight.few_rows": (
        "Task {task} has no rows to learn from, or none for the exam.",
        "Add rows to the task, or change its split.",
    ),
    "serving.no_adapter": (
        "The run {run} has not saved a trained model yet.",
        "Wait until it has finished, or choose another run.",
    ),
    "serving.target_used": ("The folder {folder} is not empty.", "Choose a new folder, or empty this one."),
    "serving.long_message": (
        "The message has {length} characters; {bound} is the most.",
        "Ask about a shorter text.",
    ),
    "serving.empty_message": ("The message is empty.", "Type a question or paste an input of the task."),
    "serving.missing_input": (
        "Task {task} expects a value for {columns}.",
        "Fill in every input column of the task.",
    ),
    "serving.worker_start": ("The chat process did not start ({detail}).", "Try again; the details are in {log}."),
    "serving.worker_died": (
        "The chat process has died (exit code {code}).",
        "Ask again: a new one is started by itself. The details are in {log}.",
    ),
    "serving.worker_silent": (
        "The chat process gave no sign for {seconds} s and was replaced.",
        "Ask again, with a shorter text if this happens every time.",
    ),
    "serving.worker_failed": (
        "The chat process met an unexpected error: {detail}.",
        "Try again; the details are in {log}.",
    ),
    "serving.bad_request": (
        "The request to the chat process cannot be read: {detail}.",
        "This is a fault of the calling program; check its version.",
    ),
    "serving.bad_value": ("{name} is {value}.", "Choose a value from {low} to {high}."),
    "serving.no_stop_words": ("Stop words are not supported.", "Leave 'stop' out: a task's answer ends by itself."),
    "serving.token_needed": (
        "{host} can be reached from other machines, so an API key is needed.",
        "Leave --no-token out, or listen on 127.0.0.1.",
    ),
    "serving.address": (
        "The address {host}:{port} cannot be used ({detail}).",
        "Choose another --port, or 0 for any free one.",
    ),
    "export.unreadable": (
        "The export to {folder} was taken back: a fresh process cannot load it ({detail}).",
        "Update transformers and peft to the versions in requirements.txt, or choose another kind of export.",
    ),
    "export.gguf_tokenizer": (
        "llama.cpp's converter does not know this base model's tokenizer ({detail}).",
        "Export a LoRA or a merged model instead, or train on SmolLM2 or Qwen for GGUF files.",
    ),
    "export.gguf_failed": (
        "llama.cpp's converter could not make the GGUF file: {detail}.",
        "Export a merged model and convert it by hand with the newest llama.cpp.",
    ),
    "push.no_login": (
        "There is no login for the Hub on this machine.",
        "Log in with: hf auth login, or set HF_TOKEN; on the page, type a token with the right to write.",
    ),
    "push.no_export": (
        "{folder} is not an export: it has no model card.",
        "Export the run first, then push that folder.",
    ),
    "push.bad_name": (
        "{repo!r} is not a name that the Hub takes.",
        "Write NAME or USER/NAME with letters, digits, '-', '_' and '.', for example clinic-notes.",
    ),
    "push.not_allowed": (
        "The Hub does not let this login write to {repo} (status {status}).",
        "Use a token with the right to write, and a name below your own account or organisation.",
    ),
    "push.refused": (
        "The Hub refused {repo}: {detail}.",
        "Check the name and try again; the export itself is not harmed.",
    ),
    "push.unreachable": (
        "The Hub cannot be reached ({detail}).",
        "Check the network, or download the files and push them later.",
    ),
    "push.gguf_missing": (
        "The GGUF file was not made, since llama.cpp's converter is not installed.",
        "Make it first: {command}",
    ),
    "command.no_file": ("There is no file {path}.", "Check the name and the folder."),
    "command.need_one": (
        "No file, --domain or --hub was given.",
        "Write: task add PROJECT FILE, task add PROJECT --domain FOLDER, or - for pasted rows.",
    ),
    "command.nothing_to_set": (
        "Nothing was given that could be changed.",
        "Name at least one option; --help lists them.",
    ),
    "command.place": (
        "{text!r} is not the place of a row.",
        "Write SPLIT:LINE as `task rows` prints it, such as train:12.",
    ),
    "command.only_file": (
        "{option} cannot be combined with several sources of rows.",
        "Add that file by itself, or leave {option} out; a domain.json says it for its folder.",
    ),
    "command.run_failed": (
        "The run {run} has failed: {detail}",
        "The log has the details: python -m core status {run} --log.",
    ),
    "command.run_ended": (
        "The run {run} ended in the state {state}.",
        "Start it again, or look at: python -m core status {run} --log.",
    ),
    "command.which_task": ("The run has several tasks.", "Say which one with --task: {known}."),
    "command.bad_pair": (
        "{text!r} is not of the form column=text.",
        "Write for example --input question='Who wrote it?'.",
    ),
    "says.task_uses": ("Task {task} uses {skills} most; its nearest task is {nearest}.", ""),
    "says.task_uses_alone": ("Task {task} uses {skills} most.", ""),
    "says.all_alike": (
        "All tasks use the common skills almost alike: every weight is close to 1/{k} = {uniform}.",
        "",
    ),
    "says.one_skill": ("There is a single skill, so every task uses it fully.", ""),
    "says.private_share": (
        "{task} leans most on its own skill: it makes up {share} % of what the adapter adds ({mean} % on average); {least} least ({least_share} %).",
        "",
    ),
    "says.skill_unused": ("No task gives {skill} even half of its even share; fewer skills may do as well.", ""),
    "says.closest_pair": (
        "{first} and {second} are the closest pair: they lean the same way ({similarity} on a scale from -1 to 1).",
        "",
    ),
    "says.better": (
        "On {task} the trained model scores {tuned} ({metric}), {gain} points above the untouched model's {base}.",
        "",
    ),
    "says.worse": (
        "On {task} the trained model scores {tuned} ({metric}), {gain} points below the untouched model's {base}.",
        "",
    ),
    "says.unsure": (
        "On {task} the untouched model scores {base} and the trained one {tuned} ({metric}); on {n} exam rows the difference may be chance.",
        "",
    ),
    "says.only_tuned": ("On {task} the trained model scores {tuned} ({metric}) on {n} exam rows.", ""),
    "says.nothing_sure": (
        "No change is larger than chance on these questions; ask more of them to see smaller ones.",
        "",
    ),
    "says.needs_skill": ("{task} needs {other}: without it the score falls by {points} points.", ""),
    "says.better_without": ("{task} is better off without {other}: the score rises by {points} points.", ""),
    "says.learns_from": (
        "{task} answers better the way {other} uses the skills: {points} points more than its own way.",
        "",
    ),
    "says.needs_own_row": ("{task} has a way of its own: with the skills of {other} it loses {points} points.", ""),
    "says.second_better": ("On {task} the second run is better by {points} points (p = {p}, {n} exam rows).", ""),
    "says.first_better": ("On {task} the first run is better by {points} points (p = {p}, {n} exam rows).", ""),
    "says.runs_alike": ("On {task} these {n} exam rows cannot tell the two runs apart (p = {p}).", ""),
    "says.mean": ("Averaged over {n} tasks the score went from {base} to {tuned}.", ""),
}
