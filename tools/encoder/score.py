"""Figures of answers, as tools/metrics has them."""
from __future__ import annotations

import numpy as np


def figures(probabilities: np.ndarray, truth: np.ndarray, multi: bool) -> dict[str, float]:
    """Of n answers [n, labels]. With several labels a note, F1 is at the one threshold that gives the best macro-F1 here:
    good for choosing among epochs, too good to report of notes that are measured on."""
    top = probabilities.argmax(1)
    right = float(truth[np.arange(len(top)), top].mean()) if len(top) else 0.0
    if not multi:
        predicted = np.eye(truth.shape[1], dtype=bool)[top]
        macro, micro = f1(predicted, truth, (truth | predicted).any(0))
        return {"top1": right, "macro_f1": macro, "micro_f1": micro}
    every = np.ones(truth.shape[1], bool)
    tried = [(*f1(probabilities >= t, truth, every), t) for t in np.arange(0.05, 0.65, 0.05)]
    macro, micro, threshold = max(tried)
    return {"top1": right, "macro_f1": macro, "micro_f1": micro, "threshold": float(threshold)}


def f1(predicted: np.ndarray, truth: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Macro over the given labels, and micro."""
    hit, said, true = (predicted & truth).sum(0), predicted.sum(0), truth.sum(0)
    by_label = 2 * hit / np.maximum(1, said + true)
    macro = float(by_label[labels].mean()) if labels.any() else 0.0
    return macro, float(2 * hit.sum() / max(1, said.sum() + true.sum()))
