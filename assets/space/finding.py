"""Which task of this Space a text belongs to, or none of them: from finder.json and finder.safetensors, which hold
sums over practice texts and no text."""

import json
import math
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file
from sklearn.feature_extraction.text import HashingVectorizer

HERE = Path(__file__).resolve().parent


class Finder:
    """TF-IDF of hashed pieces of up to four characters, one linear classifier, and a limit for "none"."""

    def __init__(self, folder=HERE):
        self.told = json.loads((folder / "finder.json").read_text(encoding="utf-8"))
        tables = load_file(str(folder / "finder.safetensors"))
        self.columns = tables.pop("columns")
        self.tables = {name: table.astype(np.float64) for name, table in tables.items()}
        self.count = HashingVectorizer(
            analyzer="char",
            ngram_range=(1, self.told["longest"]),
            n_features=self.told["features"],
            alternate_sign=False,
            norm=None,
            dtype=np.float32,
        )

    def find(self, text):
        """-> (likeliest task, its probability, how much the text reads like none, 0..1; above one half it is)."""
        placed, told = self.place(text), self.told
        scores = self.tables["classes"] @ placed + np.array(told["intercept"])
        scores = np.array([-scores[0] / 2, scores[0] / 2]) if len(scores) == 1 else scores
        grown = np.exp((scores - scores.max()) / told["temperature"])
        best = int(scores.argmax())
        alike = np.array([(self.tables[side] @ placed).max() for side in ("own", "foreign")])
        drawn = told["threshold"] - (alike - np.array(told["middle"])) @ np.array(told["weights"])
        foreign = 1.0 / (1.0 + math.exp(min(drawn, 700.0))) if text.strip() else 1.0
        return told["names"][best], float(grown[best] / grown.sum()), foreign

    def place(self, text):
        """The text as numbers of the known pieces; a piece that nobody knows takes its share of the length."""
        half = self.told["half"]
        counts = self.count.transform([text if len(text) <= 2 * half else f"{text[:half]} {text[-half:]}"])
        rarity = np.full(self.told["features"], self.told["unknown"])
        rarity[self.columns] = self.tables["rarity"]
        dense = np.zeros(self.told["features"])
        dense[counts.indices] = (1.0 + np.log(counts.data)) * rarity[counts.indices]
        length = np.linalg.norm(dense)
        return dense[self.columns] / length if length else dense[self.columns]
