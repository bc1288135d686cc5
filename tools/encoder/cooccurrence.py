"""Word vectors from how often words stand near each other: where the table of words begins, so that a small model need not
find them out (Levy and Goldberg 2014, https://papers.nips.cc/paper/5477)."""
from __future__ import annotations

import numpy as np

WINDOW = 5
SMOOTHING = 0.75  # of context words' frequencies, so that rare ones do not lead


def vectors(ids: np.ndarray, size: int, width: int, seed: int) -> np.ndarray:
    """[size, width], deviation 1: a truncated SVD of positive pointwise mutual information."""
    counts = np.zeros(size * size, np.float32)
    for distance in range(1, WINDOW + 1):
        for at in range(0, len(ids), 1 << 22):  # in pieces: bincount takes eight bytes an entry
            left = ids[at : at + (1 << 22)][: max(0, len(ids) - distance - at)].astype(np.int64)
            pairs = left * size + ids[at + distance : at + distance + len(left)]
            found, n = np.unique(pairs, return_counts=True)
            counts[found] += n
    counts = counts.reshape(size, size)
    counts += counts.T.copy()
    information = mutual(counts)
    random = np.random.default_rng(seed)
    basis = random.standard_normal((size, width + 32), np.float32)
    for _ in range(4):
        basis, _ = np.linalg.qr(information @ basis)
    left, values, _ = np.linalg.svd(basis.T @ information, full_matrices=False)
    found = (basis @ left)[:, :width] * np.sqrt(values[:width])
    found -= found.mean(0)
    norm = np.linalg.norm(found, axis=1, keepdims=True)
    lost = norm[:, 0] < 1e-6 * norm.max()
    found = np.where(lost[:, None], random.standard_normal(found.shape), found / np.maximum(norm, 1e-12) * np.sqrt(width))
    return found.astype(np.float32)


def mutual(counts: np.ndarray) -> np.ndarray:
    """Positive pointwise mutual information of words and their contexts."""
    words = counts.sum(1)
    contexts = words**SMOOTHING
    expected = np.outer(words, contexts / max(1, contexts.sum()))
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.log(counts / expected)
    return np.nan_to_num(np.maximum(found, 0), nan=0.0, posinf=0.0).astype(np.float32)
