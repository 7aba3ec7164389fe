"""The wording of a model card in every language. A card is a document that leaves the workbench, not a screen."""

from __future__ import annotations

WORDS: dict[str, dict[str, str]] = {
    "en": {
        "skill_common": "common {n}", "skill_private": "private {n}", "skill_adapter": "adapter {n}",
        "skill_shared": "shared adapter {n}", "skill_expert": "expert {n}",
        "colon": ": ",
        "metric_accuracy": "accuracy", "metric_macro_f1": "macro F1", "metric_micro_f1": "micro F1",
        "metric_exact_match": "exact match", "metric_token_f1": "word overlap (token F1)",
        "metric_character_f1": "character overlap (character F1)", "metric_entity_f1": "entity F1",
        "metric_slot_f1": "slot F1", "metric_rouge_l": "ROUGE-L", "metric_number_match": "right number",
        "metric_bleu": "BLEU", "metric_chrf": "chrF",
        "intro": "A small language model tuned with Taskloom on {count} tasks at once: {tasks}.",
        "kind_lora": "This folder holds **one task** ({task}) as a standard PEFT LoRA.",
        "kind_merged": "This folder holds **one task** ({task}), merged into a plain transformers model.",
        "kind_gguf": "This folder holds **one task** ({task}), merged, as a GGUF file for llama.cpp "
        "and whatever reads its files.",
        "kind_space": "This folder is a small chat with **all tasks**; it starts by itself, "
        "here or as a Space of the Hub.",
        "kind_run": "This folder holds **all tasks** in Taskloom's own format.",
        "base_local": "The base model is not on the Hub: the starter comes with Taskloom (folder assets/starter), "
        "any other lies with the maker of this model.",
        "answer_classification": "one label", "answer_multilabel": "several labels",
        "answer_extraction": "parts of the text", "answer_question_answering": "words from the text",
        "answer_generation": "free text", "answer_number": "a number",
        "tasks_note": "Practice rows taught the model, check rows chose the best moment of training, exam rows "
        "were kept back for the scores. The files hold none of them.",
        "examples_title": "Examples from the practice rows",
        "base": "Base model", "method": "Adapter method", "licence": "Licence of the base model",
        "unknown": "not stated",
        "tasks_title": "Tasks and data",
        "tasks_head": "Task | Asked for | Answer | Practice | Check | Exam | Licence of the data | Source",
        "scores_title": "Final exam",
        "scores_note": "Scores of 0 to 100 on rows the model has never seen, in brackets the 95 % interval "
        "(bootstrap over rows). Where the interval of the change holds 0, the exam cannot tell the two apart.",
        "scores_head": "Task | Metric | Rows | Base model | Tuned | Change",
        "no_scores": "There was no final exam.",
        "skills_title": "Which task uses which skill",
        "skills_note": "Mixing weights, averaged over the layers. An even share of a common skill is {uniform}.",
        "task": "Task",
        "limits_title": "Limits",
        "limits": "- It answers the tasks above in the form they were trained in; other questions get poor ones.\n"
        "- It is a small model and makes mistakes; the exam says how often. Check answers that matter.\n"
        "- Weights can hold traces of the training data. Share them only where the data may be shared.\n"
        "- Skills and weights describe this one training run, not the tasks as such.",
        "load_title": "How to load it",
        "no_chat": "a model without a chat format reads the prompt and two line ends instead",
        "prompt_title": "Prompt",
        "prompt_note": "Questions must have the form they had in training:",
        "settings_title": "Settings",
    },
    "zh": {
        "skill_common": "公共 {n}", "skill_private": "私有 {n}", "skill_adapter": "适配器 {n}",
        "skill_shared": "共享适配器 {n}", "skill_expert": "专家 {n}",
        "colon": "：",
        "metric_accuracy": "准确率", "metric_macro_f1": "宏平均 F1", "metric_micro_f1": "微平均 F1",
        "metric_exact_match": "完全一致", "metric_token_f1": "词重合度（token F1）",
        "metric_character_f1": "字重合度（character F1）", "metric_entity_f1": "实体 F1",
        "metric_slot_f1": "槽位 F1", "metric_rouge_l": "ROUGE-L", "metric_number_match": "数字正确",
        "metric_bleu": "BLEU", "metric_chrf": "chrF",
        "intro": "用 Taskloom 在 {count} 个任务上同时训练的小语言模型：{tasks}。",
        "kind_lora": "这个文件夹是**一个任务**（{task}）的标准 PEFT LoRA。",
        "kind_merged": "这个文件夹是把**一个任务**（{task}）并入权重后的普通 transformers 模型。",
        "kind_gguf": "这个文件夹是**一个任务**（{task}）合并后的 GGUF 文件，供 llama.cpp 及兼容软件使用。",
        "kind_space": "这个文件夹是包含**所有任务**的小型对话应用，可在本机或作为 Hub 的 Space 直接启动。",
        "base_local": "基础模型不在 Hub 上：starter 随 Taskloom 提供（assets/starter 文件夹），"
        "其他的由模型制作者保存。",
        "answer_classification": "一个标签", "answer_multilabel": "多个标签", "answer_extraction": "原文片段",
        "answer_question_answering": "原文词语", "answer_generation": "自由文本", "answer_number": "数字",
        "tasks_note": "练习集用于训练，检查集用于选出训练中最好的时刻，终考集只用于打分。"
        "导出的文件不含这些数据行。",
        "examples_title": "练习集中的例子",
        "kind_run": "这个文件夹以 Taskloom 自己的格式保存**所有任务**。",
        "base": "基础模型", "method": "适配方法", "licence": "基础模型的许可证",
        "unknown": "未注明",
        "tasks_title": "任务与数据",
        "tasks_head": "任务 | 要求 | 答案 | 练习集 | 检查集 | 终考集 | 数据许可证 | 来源",
        "scores_title": "终考",
        "scores_note": "模型从未见过的行上的得分（0 到 100），方括号内是 95 % 区间（按行自助法）。"
        "变化的区间包含 0 时，终考分不出两个模型的高下。",
        "scores_head": "任务 | 指标 | 行数 | 基础模型 | 训练后 | 变化",
        "no_scores": "没有进行终考。",
        "skills_title": "哪个任务用哪些技能",
        "skills_note": "混合权重，对各层取平均。公共技能的平均份额是 {uniform}。",
        "task": "任务",
        "limits_title": "局限",
        "limits": "- 它按训练时的形式回答上面的任务；别的问题答不好。\n"
        "- 它是小模型，会出错；出错多少见终考。重要的回答请核对。\n"
        "- 权重里可能留有训练数据的痕迹。只在数据允许分享的地方分享它。\n"
        "- 技能和权重描述的是这一次训练，而不是任务本身。",
        "load_title": "如何加载",
        "no_chat": "没有对话格式的模型直接读取提示词加两个换行",
        "prompt_title": "提示词",
        "prompt_note": "问题必须保持训练时的形式：",
        "settings_title": "设置",
    },
}
