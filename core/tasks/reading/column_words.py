"""What column names tell: words of a name, and the words that mark inputs, answers, ids and side information."""

from __future__ import annotations

import re

_SPLIT = re.compile(r"[^0-9A-Za-z\u3400-\u9fff\uac00-\ud7af]+|(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def _weighted(words: dict[float, str]) -> dict[str, float]:
    """One weight a word, from the words of each weight."""
    return {word: weight for weight, named in words.items() for word in named.split()}


def _words(named: str) -> frozenset[str]:
    return frozenset(named.split())


TARGET_WORDS = _weighted(
    {
        5: "target targets assistant",
        4: (
            "label labels answer answers output outputs completion response reply summary summaries category "
            "categories class intent intents slots entities acts sentiment polarity gold decision translation "
            "aspects derivation emotion stance verdict correction corrected rewrite rewritten "
            "标签 答案 回答 类别 分类 意图 摘要 情感 输出 回复 译文 实体 标注 類別 標籤 槽位"
        ),
        3: (
            "highlights classes slot entity act rating score stars tags tag qtype diagnosis keywords simplified "
            "paraphrase fluent result chosen ner annotation outcome 结果 评分 结论"
        ),
        2: "value topic domain y prediction 领域",
        1.5: "type code",
        1: "original headline group",
        0.5: "title",
        0: "hypothesis question",
    }
)
INPUT_WORDS = _weighted(
    {
        4: (
            "input inputs context contexts passage paragraph paragraphs prompt premise noisy disfluent incorrect "
            "文本 输入 原文 上下文 段落 正文"
        ),
        3: (
            "text sentence utterance query article instruction tweet message messages review comment body content "
            "abstract history dialogue dialog hypothesis user knowledge table informal complex email sentence1 "
            "sentence2 question1 question2 chq story 内容 问题 句子 评论 对话 問題 文章"
        ),
        2.5: "question",
        2: "system title description raw report note notes faq x 標題 标题",
        1: "document",
    }
)
ID_WORDS = _words(
    "id ids uid uuid guid pid qid sid pmid doi idx index key file filename path url link timestamp date time "
    "created updated hash no nr num conversation number row unnamed serial author worker annotator username "
    "编号 序号 日期 时间"
)
SIDE_WORDS = _words(
    "source split fold lang language dataset subset version licence license origin meta metadata 来源 语言 weight "
    "confidence importance agreement 权重 置信度 可信度"
)
ATTRIBUTE_WORDS = _words(  # behind another word: 'answer_type', 'answers.answer_start' tell of the answer
    "type from start end offset offsets position positions scale unit id ids idx index count length source "
    "confidence span spans probability prob"
)
GROUP_WORDS = _words(
    "id patient subject speaker user customer client document doc conversation dialogue dialog thread session "
    "author group article page case passage title topic focus 病人 患者 用户 客户 会话 文档 说话人"
)
WEIGHT_WORDS = _words("weight weights confidence importance agreement 权重 置信度 可信度")
ASKING_WORDS = _words("question query 问题 問題")
SPLIT_WORDS = _words("split fold set partition subset")
COLUMN_WORDS = frozenset(w for w in (*TARGET_WORDS, *INPUT_WORDS, *ID_WORDS, *SIDE_WORDS) if len(w) > 1)
COMMON_COLUMN_WORDS = COLUMN_WORDS - _words(  # without those that are as often a value as a name
    "no number time date link act set class user system original complex key value type code file group "
    "report body note raw question answer row story result table message review email tag num index path "
    "title history comment"
)


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
