"""What column names tell: words of a name, and the words that mark inputs, answers, ids and side information."""

from __future__ import annotations

import re

_SPLIT = re.compile(r"[^0-9A-Za-z\u3400-\u9fff\uac00-\ud7af]+|(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")

TARGET_WORDS: dict[str, float] = {
    "label": 4, "labels": 4, "target": 5, "targets": 5, "answer": 4, "answers": 4, "output": 4, "outputs": 4,
    "completion": 4, "response": 4, "assistant": 5, "reply": 4, "summary": 4, "summaries": 4, "highlights": 3,
    "category": 4, "categories": 4, "class": 4, "classes": 3, "intent": 4, "intents": 4, "slots": 4, "slot": 3,
    "entities": 4, "entity": 3, "acts": 4, "act": 3, "sentiment": 4, "polarity": 4, "rating": 3, "score": 3,
    "stars": 3, "gold": 4, "decision": 4, "translation": 4, "tags": 3, "tag": 3, "value": 2, "qtype": 3,
    "type": 1.5, "aspects": 4, "derivation": 4, "emotion": 4, "stance": 4, "verdict": 4, "diagnosis": 3,
    "code": 1.5, "topic": 2, "domain": 2, "keywords": 3, "correction": 4, "corrected": 4, "simplified": 3,
    "paraphrase": 3, "rewrite": 4, "rewritten": 4, "fluent": 3, "original": 1, "result": 3, "y": 2,
    "hypothesis": 0, "title": 0.5, "headline": 1, "question": 0, "chosen": 3, "ner": 3, "annotation": 3,
    "prediction": 2, "outcome": 3, "group": 1, "标签": 4, "答案": 4, "回答": 4, "类别": 4, "分类": 4, "意图": 4,
    "摘要": 4, "情感": 4, "输出": 4, "回复": 4, "译文": 4, "实体": 4, "结果": 3, "标注": 4, "评分": 3,
    "结论": 3, "领域": 2, "類別": 4, "標籤": 4, "槽位": 4,
}
INPUT_WORDS: dict[str, float] = {
    "text": 3, "input": 4, "inputs": 4, "sentence": 3, "utterance": 3, "query": 3, "question": 2.5, "context": 4,
    "contexts": 4, "passage": 4, "paragraph": 4, "paragraphs": 4, "document": 1, "article": 3, "prompt": 4,
    "instruction": 3, "tweet": 3, "message": 3, "messages": 3, "review": 3, "comment": 3, "body": 3, "content": 3,
    "abstract": 3, "history": 3, "dialogue": 3, "dialog": 3, "premise": 4, "hypothesis": 3,
    "user": 3, "system": 2, "knowledge": 3, "table": 3, "title": 2, "description": 2, "noisy": 4, "disfluent": 4,
    "informal": 3, "complex": 3, "incorrect": 4, "raw": 2, "email": 3, "report": 2, "note": 2, "notes": 2,
    "sentence1": 3, "sentence2": 3, "question1": 3, "question2": 3, "chq": 3, "faq": 2, "story": 3, "x": 2,
    "文本": 4, "内容": 3, "问题": 3, "句子": 3, "输入": 4, "原文": 4, "上下文": 4, "段落": 4, "评论": 3, "对话": 3,
    "問題": 3, "文章": 3, "標題": 2, "标题": 2, "正文": 4,
}
ID_WORDS = frozenset((
    "id", "ids", "uid", "uuid", "guid", "pid", "qid", "sid", "pmid", "doi", "idx", "index", "key", "file",
    "filename", "path", "url", "link", "timestamp", "date", "time", "created", "updated", "hash", "no", "nr", "num",
    "conversation", "number", "row", "unnamed", "serial", "author", "worker", "annotator", "username",
    "编号", "序号", "日期", "时间",
))
SIDE_WORDS = frozenset((
    "source", "split", "fold", "lang", "language", "dataset", "subset", "version", "licence", "license", "origin",
    "meta", "metadata", "来源", "语言", "weight", "confidence", "importance", "agreement",
    "权重", "置信度", "可信度",
))
ATTRIBUTE_WORDS = frozenset((  # behind another word: 'answer_type', 'answers.answer_start' tell of the answer
    "type", "from", "start", "end", "offset", "offsets", "position", "positions", "scale", "unit", "id", "ids",
    "idx", "index", "count", "length", "source", "confidence", "span", "spans", "probability", "prob",
))
GROUP_WORDS = frozenset((
    "id", "patient", "subject", "speaker", "user", "customer", "client", "document", "doc", "conversation",
    "dialogue", "dialog", "thread", "session", "author", "group", "article", "page", "case", "passage", "title",
    "topic", "focus",
    "病人", "患者", "用户", "客户", "会话", "文档", "说话人",
))
WEIGHT_WORDS = frozenset(("weight", "weights", "confidence", "importance", "agreement", "权重", "置信度", "可信度"))
ASKING_WORDS = frozenset(("question", "query", "问题", "問題"))
SPLIT_WORDS = frozenset(("split", "fold", "set", "partition", "subset"))
COLUMN_WORDS = frozenset(w for w in (*TARGET_WORDS, *INPUT_WORDS, *ID_WORDS, *SIDE_WORDS) if len(w) > 1)
COMMON_COLUMN_WORDS = COLUMN_WORDS - {
    "no", "number", "time", "date", "link", "act", "set", "class", "user", "system", "original", "complex", "key",
    "value", "type", "code", "file", "group", "report", "body", "note", "raw", "question", "answer", "row", "story",
    "result", "table", "message", "review", "email", "tag", "num", "index", "path", "title", "history", "comment",
}


def name_words(name: str) -> list[str]:
    """'userInput.text' -> user, input, text; 'CONTEXTS' -> contexts."""
    return [w.lower() for w in _SPLIT.split(name) if w]


def pretty_title(name: str) -> str:
    """A column name as a heading in a prompt: 'requested_slots' -> 'Requested slots'; 'CHQ' stays."""
    words = [w for w in _SPLIT.split(name) if w]
    if not words:
        return name
    plain = [w if w.isupper() and len(w) <= 4 else w.lower() for w in words]
    return " ".join([plain[0][:1].upper() + plain[0][1:], *plain[1:]])
