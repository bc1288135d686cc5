#!/usr/bin/env python3
"""What PyTorch makes of texts with a fine-tuned model, to hold Bedside's answers to.

    predict.py MODEL --window 128 --overlap 16 < texts.jsonl

reads a JSON string a line, and prints for each a JSON object of labels and probabilities.
"""
from __future__ import annotations

import argparse
import json
import pathlib
import sys

import numpy as np
import torch

import bert
import notes
import wordpiece


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model", type=pathlib.Path, metavar="MODEL", help="directory in Hugging Face's layout")
    p.add_argument("--window", type=int, required=True)
    p.add_argument("--overlap", type=int, required=True)
    p.add_argument("--pool", choices=("first", "mean"), default="first")
    p.add_argument("--no-pooler", action="store_true")
    a = p.parse_args()

    config = json.loads((a.model / "config.json").read_text(encoding="utf-8"))
    labels = [config["id2label"][str(i)] for i in range(len(config["id2label"]))]
    model = bert.Classifier(bert.Shape.read(a.model), len(labels), a.pool, not a.no_pooler).eval()
    missing = bert.load(a.model, model)
    if missing:
        raise SystemExit(f"{a.model} has no {', '.join(missing[:4])}")
    tokenizer = wordpiece.WordPiece.read(a.model)
    for line in sys.stdin:
        with torch.no_grad():
            rows = [model.rows(torch.from_numpy(w.astype(np.int64))[None], torch.ones(1, len(w)))
                    for w in notes.read(json.loads(line), tokenizer, a.window, a.overlap)]
            logits = model.answer(torch.cat(rows), torch.zeros(len(rows), dtype=torch.long), 1)[0]
        multi = config.get("problem_type") == "multi_label_classification"
        print(json.dumps(dict(zip(labels, (torch.sigmoid(logits) if multi else torch.softmax(logits, 0)).tolist()))))


if __name__ == "__main__":
    main()
