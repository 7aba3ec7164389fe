"""References for the bits per byte of the starter: an interpolated modified Kneser-Ney 5-gram, and xz.

    python assets/starter/ngram_reference.py --work WORK [--tokens N]

The 5-gram works on the starter's own tokens, is trained on the starter's own token files (all of them, or the
first N tokens in the starter's mix of prose and task-like text) and scores the same held-out documents.
"""

from __future__ import annotations

import argparse
import json
import lzma
import math
from pathlib import Path

import numpy as np

ORDER = 5
DOCS = Path(__file__).resolve().parents[1] / "docs"


def discounts(counts: np.ndarray) -> np.ndarray:
    """Discount by (adjusted) count 0, 1, 2, 3 and more, after Chen and Goodman 1999."""
    n1, n2, n3, n4 = (max(1, int((counts == k).sum())) for k in (1, 2, 3, 4))
    y = n1 / (n1 + 2 * n2)
    return np.clip([0.0, 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3], 0, None)


def find(keys: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Position of each wanted key in a sorted array, -1 where absent."""
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[at] == wanted, at, -1)


def kneser_ney(train: np.ndarray, test: np.ndarray, vocab: int) -> np.ndarray:
    """Natural log-probability of every test token given the (up to four) tokens before it."""
    train, test = train.astype(np.int64), test.astype(np.int64)
    keys, ids, query = np.arange(vocab), train, test  # of the unigrams; n-grams are named by the place of their key
    prefix, last = np.zeros(vocab, np.int64), None  # n-gram -> its first n-1 tokens
    contexts, query_contexts = 1, np.zeros(len(test), np.int64)
    probability = np.full(len(test), 1 / vocab)
    for order in range(1, ORDER + 1):
        if order < ORDER:  # the next order first: the counts of this one are numbers of distinct left neighbours
            extended = ids[:-1] * vocab + train[order:]
            next_keys, first, inverse = np.unique(extended, return_index=True, return_inverse=True)
            counts = np.bincount(ids[1:][first], minlength=len(keys))
        else:
            counts = last
        cut = discounts(counts)
        by_class = cut[np.minimum(counts, 3)]
        total = np.bincount(prefix, weights=counts, minlength=contexts)
        held = np.bincount(prefix, weights=by_class, minlength=contexts)  # mass given to the lower order
        known = (query_contexts >= 0) & (total[query_contexts] > 0)
        at = np.where(known, query_contexts, 0)
        own = np.where(query >= 0, (counts - by_class)[query], 0)
        probability = np.where(known, (own + held[at] * probability) / np.maximum(total[at], 1), probability)
        if order < ORDER:
            earlier = np.concatenate([[-1], query[:-1]])
            wanted = np.where(earlier >= 0, earlier * vocab + test, -1)
            prefix, contexts, query_contexts = next_keys // vocab, len(keys), earlier
            if order + 1 == ORDER:
                last = np.bincount(inverse, minlength=len(next_keys))
            keys, ids, query = next_keys, inverse, find(next_keys, wanted)
            print(f"order {order + 1}: {len(keys):,} different n-grams", flush=True)
    return np.log(probability)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--tokens", type=int, help="train on this many tokens only, 60 %% of them prose")
    parser.add_argument("--out", type=Path, default=DOCS / "starter-reference.json", help="figures of all runs")
    args = parser.parse_args()
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(args.work / "tokenizer.json"))
    vocab = tokenizer.get_vocab_size()
    parts = {kind: np.fromfile(args.work / f"{kind}.bin", dtype=np.uint16) for kind in ("prose", "task")}
    if args.tokens:
        parts = {k: v[: int(args.tokens * share)] for (k, v), share in zip(parts.items(), (0.6, 0.4), strict=True)}
    train = np.concatenate(list(parts.values()))
    with open(args.work / "heldout.jsonl", encoding="utf-8") as handle:
        rows = [row for row in map(json.loads, handle) if row["kind"] == "prose"]
    encoded = [np.array([0, *tokenizer.encode(row["text"]).ids]) for row in rows]
    test = np.concatenate(encoded)
    logs = kneser_ney(train, test, vocab)
    scored = test != 0  # the separators are given, not predicted
    raw = [row["text"].encode("utf-8") for row in rows]
    size = sum(map(len, raw))
    packed = lzma.compress(b"\n\n".join(raw), preset=9 | lzma.PRESET_EXTREME)
    report = {
        "train_tokens": len(train),
        "heldout_documents": len(rows),
        "heldout_bytes": size,
        "heldout_tokens": int(scored.sum()),
        "kneser_ney_5gram_bits_per_byte": round(float(-logs[scored].sum() / math.log(2) / size), 4),
        "xz_bits_per_byte": round(8 * len(packed) / size, 4),
        "by_source": {},
    }
    ends = np.cumsum([len(e) for e in encoded])
    per_document = [-logs[end - len(e) + 1 : end].sum() / math.log(2) for e, end in zip(encoded, ends, strict=True)]
    for source in sorted({row["source"] for row in rows}):
        chosen = [n for n, row in enumerate(rows) if row["source"] == source]
        bits, nbytes = sum(per_document[n] for n in chosen), sum(len(raw[n]) for n in chosen)
        report["by_source"][source] = round(float(bits / nbytes), 4)
    print(json.dumps(report, indent=1))
    if args.out.parent.is_dir():
        every = json.loads(args.out.read_text()) if args.out.exists() else {}
        every[f"{len(train)} tokens"] = report
        args.out.write_text(json.dumps(every, indent=1) + "\n")


if __name__ == "__main__":
    main()
