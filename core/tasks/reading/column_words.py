"""What column names tell: words of a name, and the words that mark inputs, answers, ids and side information."""

from __future__ import annotations

import re
import unicodedata

from core.tasks.reading import other_words
from core.tasks.reading.other_words import plain_word, word_inside

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def _weighted(words: dict[float, str]) -> dict[str, float]:
    """One weight a word, from the words of each weight."""
    return {word: weight for weight, named in words.items() for word in named.split()}


def word_set(named: str) -> frozenset[str]:
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
            "solution explanation rationale reasoning justification "
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
TARGET_WORDS |= dict.fromkeys(other_words.TARGETS, 4.0) | dict.fromkeys(other_words.VALUES, 2.0)
INPUT_WORDS = _weighted(
    {
        4: (
            "input inputs context contexts passage paragraph paragraphs prompt premise noisy disfluent incorrect "
            "文本 输入 原文 上下文 段落 正文"
        ),
        3: (
            "problem exercise stem "
            "text sentence utterance query article instruction tweet message messages review comment body content "
            "abstract history dialogue dialog hypothesis user knowledge table informal complex email sentence1 "
            "sentence2 question1 question2 chq story 内容 问题 句子 评论 对话 問題 文章"
        ),
        2.5: "question",
        2: "system title description raw report note notes faq x 標題 标题",
        1: "document",
    }
)
INPUT_WORDS |= dict.fromkeys(other_words.INPUTS, 3.0) | dict.fromkeys(other_words.ASKING, 2.5)
ID_WORDS = other_words.IDS | word_set(
    "id ids uid uuid guid pid qid sid pmid doi idx index key file filename path url link timestamp date time "
    "created updated hash no nr num conversation number row unnamed serial author worker annotator "
    "reviewer rater editor username "
    "编号 序号 日期 时间"
)
SIDE_WORDS = other_words.SIDES | word_set(
    "source split fold lang language dataset subset version licence license origin meta metadata 来源 语言 weight "
    "confidence importance agreement 权重 置信度 可信度"
)
ATTRIBUTE_WORDS = word_set(  # behind another word: 'answer_type', 'answers.answer_start' tell of the answer
    "type from start end offset offsets position positions scale unit id ids idx index count length source "
    "confidence span spans probability prob"
)
GROUP_WORDS = word_set(
    "id patient subject speaker user customer client document doc conversation dialogue dialog thread session "
    "author group article page case passage title topic focus 病人 患者 用户 客户 会话 文档 说话人"
)
WEIGHT_WORDS = word_set("weight weights confidence importance agreement 权重 置信度 可信度")
ASKING_WORDS = other_words.ASKING | word_set("question query 问题 問題")
# Only ever names of columns beside each other, as of translations; told from values in `header`.
LANGUAGE_WORDS = word_set(
    "en de fr es pt it nl ru zh ja ko ar english german french spanish portuguese italian dutch russian chinese "
    "japanese korean arabic deutsch englisch français anglais español inglés 中文 英文 日语 法语 德语"
)
SPLIT_WORDS = word_set("split fold set partition subset")
COLUMN_WORDS = frozenset(w for w in (*TARGET_WORDS, *INPUT_WORDS, *ID_WORDS, *SIDE_WORDS) if len(w) > 1)
_OTHER_VALUES = other_words.VALUES | other_words.ASKING | other_words.IDS
COMMON_COLUMN_WORDS = (
    COLUMN_WORDS
    - _OTHER_VALUES
    - word_set(  # without those that are as often a value as a name
        "no number time date link act set class user system original complex key value type code file group "
        "report body note raw question answer row story result table message review email tag num index path "
        "title history comment"
    )
)


# Looked for inside longer words: those of other languages, and English ones that no other word ends with by chance.
_PARTS = frozenset(
    other_words.TARGETS
    | other_words.INPUTS
    | other_words.ASKING
    | {w for w in COLUMN_WORDS if not w.isascii()}
    | word_set("text label category question answer sentence message comment intent sentiment summary")
)


def name_words(name: str) -> list[str]:
    """'userInput.text' -> user, input, text; 'Étiquette' -> etiquette; a compound that holds a known word
    ('Kundenfrage', '评论内容') gives that word too."""
    found = []
    for token in map(plain_word, _tokens(name)):
        found.append(token)
        if token not in COLUMN_WORDS and (inner := word_inside(token, _PARTS)):
            found.append(inner)
    return found


def _tokens(name: str) -> list[str]:
    """Runs of letters, digits and their marks; capitals inside begin a new one."""
    spaced = "".join(c if c.isalnum() or unicodedata.category(c)[0] == "M" else " " for c in name)
    return _CAMEL.sub(" ", spaced).split()


def pretty_title(name: str) -> str:
    """A column name as a heading in a prompt: 'requested_slots' -> 'Requested slots'; 'CHQ' stays."""
    words = _tokens(name)
    if not words:
        return name
    plain = [w if w.isupper() and len(w) <= 4 else w.lower() for w in words]
    return " ".join([plain[0][:1].upper() + plain[0][1:], *plain[1:]])
