"""What people call the splits in a column that says which rows train, which check and which examine."""

from __future__ import annotations

_ALIASES = {
    "train": ("train", "training", "learn", "训练", "訓練"),
    "test": ("test", "testing", "exam", "eval", "测试", "測試"),
    "validation": ("validation", "valid", "val", "dev", "development", "验证", "驗證", "check"),
}
SPLIT_NAMES = {alias: split for split, aliases in _ALIASES.items() for alias in aliases}
