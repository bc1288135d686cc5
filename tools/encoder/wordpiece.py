#!/usr/bin/env python3
"""BERT's tokenization, as Bedside's wasm/tokenizer does it; a test holds the two together.

    wordpiece.py MODEL < texts.jsonl      # the ids of a JSON string a line, by the vocabulary of a Hugging Face directory

The two differ on characters that Unicode gained after version 8, whose categories Python's tables know and BERT's do not.
"""
from __future__ import annotations

import json
import pathlib
import re
import sys
import unicodedata
from collections.abc import Iterator

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
IDEOGRAPHS = [(0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F), (0x2B740, 0x2B81F),
              (0x2B920, 0x2CEAF), (0x2F800, 0x2FA1F)]
MAX_WORD = 100


class Normalizer(dict):
    """A table for str.translate: by code point what it becomes, with blanks around what stands apart."""

    def __init__(self, lowercase: bool, strip_accents: bool, join_cjk: bool = False):
        super().__init__()
        self.lowercase, self.strip_accents, self.join_cjk = lowercase, strip_accents, join_cjk

    def __missing__(self, code: int) -> str:
        self[code] = self.work(chr(code))
        return self[code]

    def work(self, c: str) -> str:
        if c == "\ufffd" or c not in "\t\n\r" and unicodedata.category(c) in ("Cc", "Cf", "Co", "Cs"):
            return ""
        if c.isspace():
            return " "
        apart = not self.join_cjk and any(first <= ord(c) <= last for first, last in IDEOGRAPHS)
        if self.strip_accents:
            c = "".join(d for d in unicodedata.normalize("NFD", c) if unicodedata.category(d) != "Mn")
        if self.lowercase:
            c = c.lower()
        return "".join(f" {d} " if apart or punctuation(d) else d for d in c)


def punctuation(c: str) -> bool:
    if c < "\x80":
        return "!" <= c <= "/" or ":" <= c <= "@" or "[" <= c <= "`" or "{" <= c <= "~"
    return unicodedata.category(c).startswith("P")


class WordPiece:
    """Cuts texts into ids of a vocabulary: words, then the longest pieces that fit."""

    def __init__(self, entries: list[str], lowercase: bool = False, strip_accents: bool = False, join_cjk: bool = False):
        self.entries = entries
        self.ids = {entry: i for i, entry in enumerate(entries)}
        missing = [token for token in SPECIAL if token not in self.ids]
        if missing:
            raise SystemExit(f"the vocabulary lacks {' '.join(missing)}")
        self.pad, self.unknown, self.first, self.last, self.mask = (self.ids[token] for token in SPECIAL)
        self.longest = max(map(len, entries))
        self.normalizer = Normalizer(lowercase, strip_accents, join_cjk)
        self.special = re.compile("(" + "|".join(map(re.escape, SPECIAL)) + ")")
        self.cache: dict[str, list[int]] = {}
        self.settings = {"tokenizer_class": "BertTokenizer", "do_lower_case": lowercase, "strip_accents": strip_accents,
                         "tokenize_chinese_chars": not join_cjk, "unk_token": "[UNK]", "sep_token": "[SEP]", "pad_token": "[PAD]",
                         "cls_token": "[CLS]", "mask_token": "[MASK]"}

    @classmethod
    def read(cls, directory: pathlib.Path, case: str = "auto") -> "WordPiece":
        """Of a Hugging Face directory. case, cased or uncased, stands above tokenizer_config.json; what neither says is
        BERT's: lower case."""
        config = directory / "tokenizer_config.json"
        said = json.loads(config.read_text(encoding="utf-8")) if config.exists() else {}
        lowercase, accents = said.get("do_lower_case", True), said.get("strip_accents")
        if case != "auto":
            lowercase, accents = case == "uncased", None
        return cls(read_vocabulary(directory / "vocab.txt"), lowercase, lowercase if accents is None else accents,
                   not said.get("tokenize_chinese_chars", True))

    def encode(self, text: str) -> list[int]:
        """The ids of a text, without [CLS] and [SEP]."""
        out: list[int] = []
        for i, part in enumerate(self.special.split(text)):
            if i % 2:
                out.append(self.ids[part])
                continue
            for word in part.translate(self.normalizer).split(" "):
                if word:
                    out += self.pieces(word)
        return out

    def pieces(self, word: str) -> list[int]:
        known = self.cache.get(word)
        if known is None:
            known = self.cut(word)
            if len(self.cache) < 1 << 20:
                self.cache[word] = known
        return known

    def cut(self, word: str) -> list[int]:
        if len(word) > MAX_WORD:
            return [self.unknown]
        out, at = [], 0
        while at < len(word):
            before = "##" if at else ""
            for end in range(min(len(word), at + self.longest), at, -1):
                piece = self.ids.get(before + word[at:end])
                if piece is not None:
                    break
            else:
                return [self.unknown]
            out.append(piece)
            at = end
        return out


def words(text: str, normalizer: Normalizer) -> Iterator[str]:
    """The words that pieces are cut from."""
    return (word for word in text.translate(normalizer).split(" ") if word and len(word) <= MAX_WORD)


def read_vocabulary(path: pathlib.Path) -> list[str]:
    if not path.exists():
        raise SystemExit(f"there is no {path}: make one with vocab.py, or take the checkpoint's")
    text = path.read_text(encoding="utf-8")
    return [line.rstrip() for line in text.removesuffix("\n").split("\n")]


def main() -> None:
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        raise SystemExit(__doc__)
    tokenizer = WordPiece.read(pathlib.Path(sys.argv[1]))
    for line in sys.stdin:
        print(json.dumps(tokenizer.encode(json.loads(line))))


if __name__ == "__main__":
    main()
