"""Labelled notes, as "bedside train" reads them, and the windows that they are read in."""
from __future__ import annotations

import dataclasses
import hashlib

import numpy as np

import corpus
import wordpiece


@dataclasses.dataclass
class Example:
    text: str
    labels: list[str]
    part: str
    row: str


def load(path: str, text: str, label: str, separator: str = "", group: bool = False, split: str = "") -> list[Example]:
    """The rows with a text; with group, an example for each distinct text, its labels united, its part that of its first row."""
    part = {r["row"]: r["part"] for r in corpus.rows(split)} if split else {}
    out: dict[object, Example] = {}
    for i, r in enumerate(corpus.rows(path)):
        for column in (text, label):
            if column not in r:
                raise SystemExit(f"{path} has no column {column!r}, only {', '.join(map(str, r))}")
        found, row = fold(r[text]), r.get("row") or str(i)
        labels = [s.strip() for s in (r[label].split(separator) if separator else [r[label]]) if s.strip()]
        if not found or not labels:
            continue
        example = out.setdefault(found if group else i, Example(r[text].replace("\r\n", "\n"), [], part.get(row, ""), row))
        example.labels = sorted(set(example.labels) | set(labels))
    return list(out.values())


def named(examples: list[Example]) -> bool:
    """Whether rows tell examples apart as "bedside" reads them: whole numbers, each there once."""
    rows = {int(e.row) for e in examples if e.row.strip().isdecimal()}
    return len(rows) == len(examples)


def fold(text: str) -> str:
    return " ".join(text.split())


def kept_aside(e: Example, share: float) -> bool:
    """Whether an example is one to validate on: by its text, so that equal texts are on one side."""
    return digest(e)[0] < share * 2**32


def fold_of(e: Example, folds: int) -> int:
    """Which of the folds an example is in, by its text too, and apart from whether it is kept aside."""
    return digest(e)[1] % folds


def digest(e: Example) -> tuple[int, int]:
    found = hashlib.sha256(fold(e.text).encode()).digest()
    return int.from_bytes(found[:4], "big"), int.from_bytes(found[4:8], "big")


def windows(n: int, most: int, overlap: int) -> list[tuple[int, int]]:
    """The first token and length of each window of a note of n tokens, as wasm/encoder/window.go has them."""
    if n < 1:
        return []
    count = 1 if n <= most else 1 - (most - n) // (most - overlap)
    total, first, out = n + (count - 1) * overlap, 0, []
    for i in range(count):
        length = total // count + (i < total % count)
        out.append((first, length))
        first += length - overlap
    return out


def read(text: str, tokenizer: wordpiece.WordPiece, window: int, overlap: int) -> list[np.ndarray]:
    """A note's windows, [CLS] and [SEP] around each; a note without tokens is one empty window."""
    ids = tokenizer.encode(text)
    spans = windows(len(ids), window - 2, overlap) or [(0, 0)]
    return [np.array([tokenizer.first, *ids[first : first + length], tokenizer.last], np.int32) for first, length in spans]
