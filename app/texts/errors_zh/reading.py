"""Chinese wording of how a file was read; the keys are those of core/messages/reading.py."""

MESSAGES: dict[str, tuple[str, str]] = {
    "doubt.encoding": (
        "{file} 可能是{found}，也可能是{expected}编码：显示出来的文字不同。",
        "请比较两种读法，选择文字正确的那一种。",
    ),
    "doubt.delimiter": (
        "{file} 的单元格可能以{found}分隔，也可能以{expected}分隔。",
        "请比较两种读法，选择列正确的那一种。",
    ),
    "doubt.quotes": ("{file} 可能使用{found}，也可能使用{expected}。", "请比较两种读法，选择单元格正确的那一种。"),
    "doubt.header": ("{file} 的第一行可能是列名，也可能是一行数据。", "请比较两种读法后选择。"),
    "doubt.roles": ("{file} 中哪一列是文本、哪一列是答案并不明确。", "请比较两种读法后选择。"),
}
