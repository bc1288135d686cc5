#!/usr/bin/env python3
"""Makes a WordPiece vocabulary of texts: vocab.txt, a token a line.

    vocab.py train.jsonl.gz --size 8192 --out vocab.txt

Pieces begin as characters; the pair of pieces that stands side by side most often becomes a piece, again and again, until
there are --size of them. Characters rarer than --rare are left to [UNK]. Texts as corpus.py reads them.
"""
from __future__ import annotations

import argparse
import collections
import heapq
import json
import pathlib
import string
import sys
import time

import corpus
import wordpiece


def count(files: list[pathlib.Path], lowercase: bool) -> collections.Counter[str]:
    normalizer = wordpiece.Normalizer(lowercase, strip_accents=lowercase)
    counts: collections.Counter[str] = collections.Counter()
    for path in files:
        for text in corpus.texts(path):
            counts.update(wordpiece.words(text, normalizer))
    return counts


def alphabet(counts: collections.Counter[str], rare: int) -> list[str]:
    """ASCII, and the other characters that are not rare; each also as a continuation, punctuation excepted."""
    seen: collections.Counter[str] = collections.Counter()
    for word, n in counts.items():
        for c in word:
            seen[c] += n
    printable = set(string.printable) - set(string.whitespace)
    characters = sorted(c for c in printable | set(seen) if seen[c] >= rare or c in printable)
    return characters + ["##" + c for c in characters if not wordpiece.punctuation(c)]


class Pairs:
    """Words as pieces, and the pairs of neighbours in them, kept up to date as pairs are joined."""

    def __init__(self, counts: dict[str, int], known: set[str]):
        self.counts, self.words = [], []
        self.total: collections.Counter[tuple[str, str]] = collections.Counter()
        self.where: dict[tuple[str, str], set[int]] = collections.defaultdict(set)
        for word, n in sorted(counts.items()):
            pieces = [word[0], *("##" + c for c in word[1:])]
            if len(pieces) > 1 and known.issuperset(pieces):
                self.words.append(pieces)
                self.counts.append(n)
                self.note(len(self.words) - 1, +1)
        self.heap = [(-n, pair) for pair, n in self.total.items()]
        heapq.heapify(self.heap)

    def note(self, word: int, sign: int) -> set[tuple[str, str]]:
        pieces = self.words[word]
        pairs = list(zip(pieces, pieces[1:]))
        for pair in pairs:
            self.total[pair] += sign * self.counts[word]
            self.where[pair].add(word)
        return set(pairs)

    def best(self) -> tuple[tuple[str, str], int] | None:
        """The most frequent pair, the first by name of several. Entries of the heap may be stale."""
        while self.heap:
            n, pair = heapq.heappop(self.heap)
            if -n == self.total[pair] and n:
                return pair, -n
            if self.total[pair] > 0 and -n > self.total[pair]:
                heapq.heappush(self.heap, (-self.total[pair], pair))
        return None

    def join(self, pair: tuple[str, str]) -> str:
        piece = pair[0] + pair[1].removeprefix("##")
        changed: set[tuple[str, str]] = set()
        for word in self.where.pop(pair):
            old = self.words[word]
            if pair not in zip(old, old[1:]):
                continue
            self.note(word, -1)
            self.words[word] = joined(old, pair, piece)
            changed |= self.note(word, +1)
        for other in changed:
            heapq.heappush(self.heap, (-self.total[other], other))
        del self.total[pair]
        return piece


def joined(pieces: list[str], pair: tuple[str, str], piece: str) -> list[str]:
    out, i = [], 0
    while i < len(pieces):
        if tuple(pieces[i : i + 2]) == pair:
            out.append(piece)
            i += 2
        else:
            out.append(pieces[i])
            i += 1
    return out


def train(counts: collections.Counter[str], size: int, rare: int) -> list[str]:
    entries = wordpiece.SPECIAL + alphabet(counts, rare)
    if len(entries) > size:
        raise SystemExit(f"the characters alone are {len(entries)} tokens: want a larger --size than {size}, or a larger --rare")
    known = set(entries)
    pairs = Pairs(counts, known)
    started = shown = time.monotonic()
    while len(entries) < size and (found := pairs.best()):
        piece = pairs.join(found[0])
        if piece not in known:  # the same piece can come of two pairs
            known.add(piece)
            entries.append(piece)
        if time.monotonic() - shown > 5:
            shown = time.monotonic()
            print(f"{len(entries)} of {size} tokens, {shown - started:.0f} s; {piece} stands {found[1]} times", file=sys.stderr)
    return entries


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("files", nargs="+", type=pathlib.Path, metavar="FILE", help="text or JSON Lines, plain or gzip")
    p.add_argument("--out", required=True, type=pathlib.Path, metavar="vocab.txt")
    p.add_argument("--size", type=int, default=8192, help="tokens (default %(default)s)")
    p.add_argument("--rare", type=int, default=50, help="times from which a character beyond ASCII is known (default %(default)s)")
    p.add_argument("--lowercase", action="store_true", help="lower case without accents; the default is text as it stands")
    a = p.parse_args()

    counts = count(a.files, a.lowercase)
    entries = train(counts, a.size, a.rare)
    a.out.parent.mkdir(parents=True, exist_ok=True)
    a.out.write_text("\n".join(entries) + "\n", encoding="utf-8")
    cut = wordpiece.WordPiece(entries, a.lowercase, a.lowercase)
    pieces = sum(len(cut.pieces(word)) * n for word, n in counts.items())
    unknown = sum(cut.unknown in cut.pieces(word) and n for word, n in counts.items())
    print(json.dumps({"tokens": len(entries), "words": counts.total(), "pieces_per_word": round(pieces / max(1, counts.total()), 4),
                      "unknown_words": unknown}))


if __name__ == "__main__":
    main()
