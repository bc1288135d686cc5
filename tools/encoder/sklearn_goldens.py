#!/usr/bin/env python3
"""Write the golden files that tools/fit and tools/metrics are tested against.

    /usr/bin/python3 tools/encoder/sklearn_goldens.py

needs numpy and scikit-learn 1.2 (Debian: python3-sklearn), takes seconds, and writes
    tools/fit/testdata/optima.json      optima of invented problems
    tools/metrics/testdata/figures.json figures of invented answers
Everything is drawn from fixed seeds; running it again changes nothing.
"""
import argparse
import json
import pathlib
import warnings

import numpy as np
from sklearn import metrics
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.svm import LinearSVC


def invent_rows(random, rows, columns, filled):
    """Sparse rows of unit length; the last three repeat earlier ones."""
    x = random.random((rows, columns)) * (random.random((rows, columns)) < filled)
    x[np.arange(rows), random.integers(columns, size=rows)] += 0.5
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    x[-3:] = x[:3]
    return x


def invent_classes(random, x, classes):
    """Skewed classes that the rows say something about; each occurs at least twice."""
    scores = x @ random.normal(size=(x.shape[1], classes)) * 2 + random.gumbel(size=(len(x), classes))
    scores[:, 0] += 1
    y = scores.argmax(axis=1)
    y[: 2 * classes] = np.repeat(np.arange(classes), 2)
    return y


def invent_sets(random, x, labels):
    """Sets of 0 to a few labels; each label occurs and is absent at least once."""
    y = (x @ random.normal(size=(x.shape[1], labels)) + random.normal(size=(len(x), labels)) > 0.6).astype(int)
    y[:labels] = np.eye(labels, dtype=int)
    return y


def optimum(x, y, name, model, options):
    """One case: how to fit in Go, and where scikit-learn's optimum lies."""
    model.fit(x, y)
    if isinstance(model, OneVsRestClassifier):
        weight = np.stack([m.coef_[0] for m in model.estimators_], axis=1)
        bias = [float(m.intercept_[0]) for m in model.estimators_]
    else:
        weight, bias = model.coef_.T, model.intercept_.tolist()
    return {"name": name, **options, "weight": np.round(weight, 8).tolist(), "bias": np.round(bias, 8).tolist()}


def problem(name, seed, rows, columns, filled, labels):
    """An invented matrix with classes and with label sets, and its optima."""
    random = np.random.default_rng(seed)
    x = invent_rows(random, rows, columns, filled)
    classes, sets = invent_classes(random, x, labels), invent_sets(random, x, labels)
    exact = dict(solver="newton-cg", tol=1e-7, max_iter=1000)
    sharp = dict(tol=1e-9, max_iter=1000000, random_state=0)
    cases = []
    for c in (0.3, 8.0):
        for weight in (None, "balanced"):
            tag = f" C={c:g} {weight}"
            case = lambda y, title, model, **o: cases.append(optimum(x, y, title + tag, model, {"c": c, **o}))
            lr = LogisticRegression(C=c, class_weight=weight, **exact)
            svc = LinearSVC(C=c, class_weight=weight, **sharp)
            over, each = ("classes", "labels") if weight else ("", "")
            case(classes, "softmax", lr, family="lr", multinomial=True, balance=over, targets="classes")
            case(classes, "one against the rest", LogisticRegression(C=c, class_weight=weight, multi_class="ovr", **exact),
                 family="lr", multinomial=False, balance=each, targets="classes")
            case(sets, "label sets", OneVsRestClassifier(lr), family="lr", multinomial=False, balance=each, targets="sets")
            case(classes, "machine", svc, family="svm", multinomial=False, balance=over, targets="classes")
            case(sets, "machine of label sets", OneVsRestClassifier(svc), family="svm", multinomial=False, balance=each, targets="sets")
    return {"name": name, "labels": labels, "rows": x.tolist(), "classes": classes.tolist(),
            "sets": [np.flatnonzero(s).tolist() for s in sets], "cases": cases}


def figures(name, seed, n, labels, digits, multi_class):
    """Invented answers, ties included, and scikit-learn's figures of them."""
    random = np.random.default_rng(seed)
    truth = (random.random((n, labels)) < 0.3).astype(int)
    if multi_class:
        truth = np.eye(labels, dtype=int)[random.integers(labels - 1, size=n)]
    truth[:, -1] = 0  # a label that nothing has
    empty = truth.sum(axis=1) == 0
    truth[empty, 0] = 1
    p = np.clip(truth * 0.3 + random.random((n, labels)) * 0.7, 0, 1)
    p = np.round(p / p.sum(axis=1, keepdims=True) if multi_class else p, digits)
    asserted = (p > 0.45).astype(int)
    first = np.argsort(-p, axis=1, kind="stable")
    top = first[:, 0]
    right = truth[np.arange(n), top]
    if multi_class:
        y = truth.argmax(axis=1)
        compare = dict(accuracy=metrics.accuracy_score(y, top), macro_f1=metrics.f1_score(y, top, average="macro"),
                       micro_f1=metrics.f1_score(y, top, average="micro"))
        per_label = metrics.precision_recall_fscore_support(y, top, labels=range(labels), zero_division=0)
    else:
        compare = dict(accuracy=metrics.accuracy_score(truth, asserted),
                       macro_f1=metrics.f1_score(truth, asserted, average="macro", zero_division=0),
                       micro_f1=metrics.f1_score(truth, asserted, average="micro"))
        per_label = metrics.precision_recall_fscore_support(truth, asserted, zero_division=0)
    conf = p[np.arange(n), top]
    bins = np.minimum((conf * 15).astype(int), 14)
    ece = sum(abs(conf[bins == b].sum() - right[bins == b].sum()) for b in range(15)) / n
    with_any = [l for l in range(labels) if truth[:, l].any()]
    figures = {
        **compare,
        "top1_in_set": right.mean(),
        "recall_at_3": np.mean([truth[i, first[i, :3]].sum() / truth[i].sum() for i in range(n)]),
        "lrap": metrics.label_ranking_average_precision_score(truth, p),
        "mean_average_precision": np.mean([metrics.average_precision_score(truth[:, l], p[:, l]) for l in with_any]),
        "mean_average_precision_labels": len(with_any),
        "ece": ece,
    }
    return {"name": name, "multi_class": multi_class, "labels": labels, "probabilities": p.tolist(),
            "truth": [np.flatnonzero(t).tolist() for t in truth],
            "asserted": [np.flatnonzero(t).tolist() for t in asserted],
            "figures": {k: float(v) for k, v in figures.items()},
            "precision": per_label[0].tolist(), "recall": per_label[1].tolist(), "f1": per_label[2].tolist(),
            "support": [int(s) for s in per_label[3]]}


def write(path, value):
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(value, separators=(",", ":")) + "\n")
    print(f"{path}: {path.stat().st_size} bytes")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tools", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parent.parent,
                        help="the tools folder to write under (default: the one this script lies in)")
    tools = parser.parse_args().tools
    warnings.simplefilter("error")
    write(tools / "fit/testdata/optima.json", [
        problem("more rows than columns", 1, 40, 7, 0.6, 3),
        problem("more columns than rows", 2, 22, 26, 0.5, 3),
    ])
    write(tools / "metrics/testdata/figures.json", [
        figures("label sets", 3, 60, 6, 3, False),
        figures("label sets with many ties", 4, 60, 6, 1, False),
        figures("classes", 5, 60, 5, 3, True),
        figures("classes with many ties", 6, 60, 5, 1, True),
    ])


if __name__ == "__main__":
    main()
