#!/usr/bin/env python3
"""Gathers texts to pre-train on, without those that something is measured on.

    corpus.py ../shared/data/corpus/*.jsonl.gz --out DIR --without notes.csv,text,split.csv,test --without dialogues.csv,text

writes train.jsonl.gz and validation.jsonl.gz, {"text", "source"} a line, and corpus.json: what was taken and left out, by
file. A text is left out if it shares --share of its passages of eight words with measured texts, if it has --share of the
passages of one of them, or if it came before.

Inputs are text files (a text between blank lines) and JSON Lines with a "text", each plain or gzip. --without takes a CSV,
its column, and optionally a CSV with the columns row and part, and the part of it that is measured on.
"""
from __future__ import annotations

import argparse
import collections
import csv
import gzip
import hashlib
import io
import json
import pathlib
import re
import sys
from collections.abc import Iterator
from typing import TextIO

PASSAGE = 8
WORD = re.compile(r"[a-z0-9]+")


def texts(path: pathlib.Path) -> Iterator[str]:
    """The texts of a file, none of them empty."""
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8") as f:
        if ".jsonl" in path.name:
            found = (json.loads(line)["text"] for line in f if line.strip())
        else:
            found = iter(re.split(r"\n\s*\n", f.read()))
        try:
            yield from (text for text in found if text.strip())
        except (KeyError, ValueError, TypeError) as e:
            raise SystemExit(f'{path}: want a JSON object with a "text" on every line: {e!r}')


def passages(text: str) -> set[str]:
    """Every eight words in a row; a shorter text is one passage."""
    found = WORD.findall(text.lower())
    return {" ".join(found[i : i + PASSAGE]) for i in range(max(1, len(found) - PASSAGE + 1))} if found else set()


class Measured:
    """Passages of texts that must not be trained on."""

    def __init__(self) -> None:
        self.owners: dict[str, list[int]] = collections.defaultdict(list)
        self.sizes: list[int] = []

    def add(self, text: str) -> None:
        found = passages(text)
        for p in found:
            self.owners[p].append(len(self.sizes))
        self.sizes.append(len(found))

    def overlap(self, text: str) -> float:
        """The larger of two shares: of the text's passages that are measured, of a measured text's that it has."""
        found = passages(text)
        shared = [self.owners[p] for p in found if p in self.owners]
        counts = collections.Counter(owner for owners in shared for owner in owners)
        inside = max((n / self.sizes[owner] for owner, n in counts.items()), default=0.0)
        return max(inside, len(shared) / max(1, len(found)))


def read_measured(spec: str, into: Measured) -> int:
    """Adds the texts that a --without names; answers how many there were."""
    path, column, *split = spec.split(",")
    if len(split) not in (0, 2):
        raise SystemExit(f"--without {spec}: want FILE,COLUMN or FILE,COLUMN,SPLIT,PART")
    part = {r["row"]: r["part"] for r in rows(split[0])} if split else {}
    found = {r[column] for r in rows(path) if not split or part.get(r["row"]) == split[1]}
    if not found:
        raise SystemExit(f"--without {spec}: there are no such texts")
    for text in sorted(found):
        into.add(text)
    return len(found)


def rows(path: str) -> list[dict[str, str]]:
    csv.field_size_limit(1 << 28)
    with open(path, encoding="utf-8-sig", newline="") as f:
        return list(csv.DictReader(f))


def in_validation(text: str, share: float) -> bool:
    """Decided by the text itself, so that it does not hang on what else is read."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") < share * 2**32


def writer(path: pathlib.Path) -> TextIO:
    """Compresses without the time, so that the same texts give the same bytes."""
    return io.TextIOWrapper(gzip.GzipFile(path, "wb", mtime=0), encoding="utf-8")


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("files", nargs="+", type=pathlib.Path, metavar="FILE", help="text or JSON Lines, plain or gzip")
    p.add_argument("--out", required=True, type=pathlib.Path, metavar="DIR")
    p.add_argument("--without", action="append", default=[], metavar="SPEC", help="texts to leave out; may be given again")
    p.add_argument("--share", type=float, default=0.25, help="of passages shared, from which a text is left out (default %(default)s)")
    p.add_argument("--validation", type=float, default=0.02, help="share of texts kept for validation (default %(default)s)")
    a = p.parse_args()

    measured = Measured()
    counts = {spec: read_measured(spec, measured) for spec in a.without}
    seen: set[bytes] = set()
    report: dict[str, dict[str, int]] = {}
    a.out.mkdir(parents=True, exist_ok=True)
    with writer(a.out / "train.jsonl.gz") as train, writer(a.out / "validation.jsonl.gz") as validation:
        for path in a.files:
            name = path.name.split(".")[0]
            n = report[name] = dict(texts=0, measured=0, twice=0, train=0, validation=0, words=0)
            for text in texts(path):
                n["texts"] += 1
                key = hashlib.sha256(" ".join(text.split()).encode()).digest()
                if key in seen:
                    n["twice"] += 1
                    continue
                seen.add(key)
                if measured.sizes and measured.overlap(text) >= a.share:
                    n["measured"] += 1
                    continue
                kept = in_validation(text, a.validation)
                n["validation" if kept else "train"] += 1
                n["words"] += len(text.split())
                (validation if kept else train).write(json.dumps({"text": text, "source": name}, ensure_ascii=False) + "\n")
            print(f"{name}: {n['texts']} texts, {n['measured']} left out for what is measured, {n['twice']} seen before", file=sys.stderr)
    whole = {"measured": counts, "share": a.share, "files": report}
    (a.out / "corpus.json").write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
