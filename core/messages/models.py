"""Wording of the models room's errors and problems."""

MESSAGES: dict[str, tuple[str, str]] = {
    "adapter.rows": (
        "A layer saw {rows} rows for {examples} examples.",
        "Give one task id per example; rows must be a whole multiple of them.",
    ),
    "adapter.not_packed": (
        "This model or method cannot compute several examples in one row of tokens.",
        "Give it padded batches, one row an example.",
    ),
    "adapter.no_call": (
        "The base model was called without telling the task.",
        "Call the modular model with task_ids, or inside its disabled() block.",
    ),
    "adapter.task_missing": (
        "No task was given for this call.",
        "Pass task_ids, one of the {count} tasks for each example.",
    ),
    "adapter.task_shape": (
        "Task ids of shape {shape} and type {dtype} cannot be used.",
        "Give a list or one row of whole numbers, one per example.",
    ),
    "adapter.task_unknown": (
        "There is no task {task}: this model knows {count} tasks.",
        "Use a task id from 0 to {last}, or add the task first.",
    ),
    "adapter.task_count": ("{ids} task ids were given for {examples} examples.", "Give one task id per example."),
    "adapter.no_layers": (
        "{model} has no blocks of linear layers to adapt.",
        "Choose a decoder-only or an encoder-decoder language model.",
    ),
    "adapter.no_target": (
        "The model has no linear layer named {name!r} in its blocks.",
        "Use all, or some of: {known}.",
    ),
    "adapter.no_stage": (
        "Method {method} has {count} training stages, not a stage {stage}.",
        "Train stages 1 to {count}.",
    ),
    "adapter.wrong_config": (
        "Method {method} cannot use settings of the kind {found}.",
        "Give the settings of that method.",
    ),
    "adapter.no_tasks": ("An adapter needs at least one task.", "Add a task to the project first."),
    "adapter.no_skills": (
        "With no common and no private skills there is nothing to train.",
        "Set at least one common or one private skill.",
    ),
    "adapter.heads": (
        "{heads} routing heads do not divide layer {layer} ({inputs} inputs, {outputs} outputs).",
        "Choose a number of routing heads that divides both.",
    ),
    "adapter.no_scales": (
        "None of the layers {layers} has scales in this method.",
        "Adapt all layers, or include keys, values or the feed-forward output.",
    ),
    "adapter.no_feed_forward": (
        "{model} has no feed-forward networks that could be found.",
        "Choose another method, or a model of the Llama, Qwen, GPT-2, GPT-NeoX or T5 family.",
    ),
    "adapter.no_block": (
        "{blocks!r} does not name blocks of the model.",
        "Give numbers from 0 to {last}, separated by commas.",
    ),
    "adapter.nothing_own": (
        "Method {method} keeps nothing of a task's own, so a new task cannot be trained alone.",
        "Train all tasks together, or choose C-Poly.",
    ),
    "adapter.no_lora": (
        "{method} decides by question or by token and cannot become one LoRA.",
        "Export the workbench's own folder instead, or train with C-Poly.",
    ),
    "adapter.no_merge": (
        "{method} cannot be added to the weights of the base model.",
        "Export the workbench's own folder instead, or train with C-Poly.",
    ),
    "adapter.no_rank": (
        "The size of {settings} is not a rank.",
        "Compare it with methods made of low-rank skills, or by its number of parameters.",
    ),
    "adapter.not_found": (
        "There are no adapter weights in {folder}.",
        "Choose a folder that a finished run or an export made.",
    ),
    "adapter.damaged": (
        "The adapter weights in {folder} are damaged ({detail}).",
        "Restore the folder from a copy, or train again.",
    ),
    "adapter.format": (
        "The adapter in {folder} is of format {found}, which this version cannot read.",
        "Update the app, then load it again.",
    ),
    "adapter.mismatch": (
        "The adapter does not fit base model {base}; it was made for {made_for}.",
        "Load it on {made_for}.",
    ),
    "export.differs": (
        "The export to {folder} was taken back: loaded again, its answers differ by {difference}.",
        "Export in float32, or keep the workbench's own folder.",
    ),
    "model.dtype": ("Number type {dtype!r} is unknown.", "Use one of: {known}."),
    "model.device": (
        "Device {device!r} is not available on this machine.",
        "Use cpu, or leave the device to auto.",
    ),
    "model.no_folder": (
        "There is no folder {path}.",
        "Check the path, or give a model id such as HuggingFaceTB/SmolLM2-135M-Instruct.",
    ),
    "model.no_config": (
        "{path} is not a model folder: it has no config.json.",
        "Choose the folder that holds config.json, the tokenizer and *.safetensors.",
    ),
    "model.bad_config": ("config.json in {path} is damaged ({detail}).", "Download or copy the model again."),
    "model.no_safetensors": (
        "{path} holds no weights in the safetensors format.",
        "Choose a model with *.safetensors files; other formats can run code and are refused.",
    ),
    "model.remote_code": (
        "{model} wants to run program code of its own, which is refused.",
        "Choose a model that transformers supports itself.",
    ),
    "model.architecture": (
        "{model} (kind {kind!r}) is neither a decoder-only nor an encoder-decoder language model.",
        "Choose a text model, for example from the recommended list.",
    ),
    "model.no_padding": (
        "The tokenizer has neither a padding nor an end token.",
        "Choose a model whose tokenizer defines one of them.",
    ),
    "model.not_found": (
        "The base model {model} could not be loaded ({detail}).",
        "Check the name and the internet connection, or give the path of a downloaded folder.",
    ),
    "model.no_numbers": (
        "config.json of {model} does not tell the sizes needed for an estimate.",
        "The run may still work; watch its memory.",
    ),
}
