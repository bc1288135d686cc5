#!/usr/bin/env python3
"""Dump scikit-learn's TF-IDF features of a CSV of notes, for comparison with Bedside's.

Writes into --out: terms.txt (one n-gram a line, by column), idf.f64, and the matrix in
compressed rows as indptr.i64, indices.i32, data.f64 (little-endian). Also prints, as
JSON, how long transform takes, and with --label how long fitting a logistic regression
and transform + predict take, each the best of --repeat.
"""
import argparse
import csv
import json
import os
import time

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

SETS = {
    "notebook": dict(ngram_range=(1, 2), stop_words="english", min_df=5, max_df=0.8),
    "word": dict(ngram_range=(1, 2), stop_words="english", min_df=3, max_df=0.8, sublinear_tf=True),
    "rare": dict(ngram_range=(1, 2), stop_words="english", min_df=2, max_df=0.8, sublinear_tf=True),
    "phrase": dict(ngram_range=(1, 2), min_df=2, max_df=1.0, sublinear_tf=True),
    "char": dict(analyzer="char_wb", ngram_range=(3, 5), min_df=10, max_df=0.8, sublinear_tf=True),
}


def read(path: str, text: str, label: str, split: str, part: str) -> tuple[list[str], list[str]]:
    """The non-empty notes of a part (or all), with their labels."""
    csv.field_size_limit(1 << 28)
    parts = {}
    if split:
        with open(split, encoding="utf-8", newline="") as f:
            parts = {row["row"]: row["part"] for row in csv.DictReader(f)}
    notes, labels = [], []
    with open(path, encoding="utf-8-sig", newline="") as f:
        for row in csv.DictReader(f):
            if row[text].strip() and (not split or parts.get(row["row"]) == part):
                notes.append(row[text])
                labels.append(row[label].strip() if label else "")
    return notes, labels


def best(repeat: int, work) -> float:
    """The shortest of `repeat` runs, in seconds."""
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--data", required=True, help="CSV of notes")
    p.add_argument("--text", required=True, help="column with the notes")
    p.add_argument("--label", default="", help="column with the labels; also time a logistic regression")
    p.add_argument("--split", default="", help="CSV with columns row,part")
    p.add_argument("--part", default="train", help="part of the split to fit on")
    p.add_argument("--features", default="notebook", choices=sorted(SETS))
    p.add_argument("--C", type=float, default=1.0)
    p.add_argument("--limit", type=int, default=None, help="read only so many notes")
    p.add_argument("--repeat", type=int, default=3)
    p.add_argument("--out", default="", help="directory to dump into")
    a = p.parse_args()
    notes, labels = read(a.data, a.text, a.label, a.split, a.part)
    notes, labels = notes[: a.limit], labels[: a.limit]
    vectorizer = TfidfVectorizer(strip_accents="unicode", lowercase=True, **SETS[a.features])
    x = vectorizer.fit_transform(notes)
    x.sort_indices()
    report = {"notes": len(notes), "features": x.shape[1], "transform_s": best(a.repeat, lambda: vectorizer.transform(notes))}
    if a.label:
        model = LogisticRegression(C=a.C, class_weight="balanced", max_iter=3000)
        report["fit_s"] = best(1, lambda: model.fit(x, labels))
        report["classify_s"] = best(a.repeat, lambda: model.predict(vectorizer.transform(notes)))
    if a.out:
        os.makedirs(a.out, exist_ok=True)
        with open(os.path.join(a.out, "terms.txt"), "w", encoding="utf-8") as f:
            f.write("\n".join(vectorizer.get_feature_names_out()))
        for name, values in (
            ("idf.f64", vectorizer.idf_.astype("<f8")),
            ("indptr.i64", x.indptr.astype("<i8")),
            ("indices.i32", x.indices.astype("<i4")),
            ("data.f64", x.data.astype("<f8")),
        ):
            values.tofile(os.path.join(a.out, name))
    print(json.dumps(report))


if __name__ == "__main__":
    main()
