#!/usr/bin/env python3
"""Pre-trains a BERT to guess words that were masked.

    pretrain.py --corpus DIR --vocab vocab.txt --out RUN

DIR is what corpus.py wrote. RUN gets tokens.npz (the corpus as ids), checkpoint/ (from which the same command goes on),
model/ (Hugging Face's layout, for finetune.py), log.jsonl and loss.svg. Stop it when you like: SIGTERM and SIGINT
save first. A run that is done goes on with more --steps.

Texts follow each other with [SEP] between, cut into sequences of --length; whole words are masked. The learning rate rises over
--warmup steps, stays, and falls to 0 over the last --decay of the --steps.
"""
from __future__ import annotations

import argparse
import dataclasses
import gzip
import hashlib
import inspect
import json
import math
import pathlib
import signal
import time

import numpy as np
import torch
from torch.nn import functional

import bert
import checkpoint
import cooccurrence
import device as devices
import journal
import wordpiece


@dataclasses.dataclass
class Tokens:
    """Texts as ids, one behind the other; text i is ids[starts[i]:starts[i+1]], of sources[i]."""

    ids: np.ndarray
    starts: np.ndarray
    sources: list[str]

    def text(self, i: int) -> np.ndarray:
        return self.ids[self.starts[i] : self.starts[i + 1]]


def tokenize(path: pathlib.Path, tokenizer: wordpiece.WordPiece) -> Tokens:
    ids, starts, sources = [], [0], []
    with gzip.open(path, "rt", encoding="utf-8") as f:
        for line in f:
            entry = json.loads(line)
            found = tokenizer.encode(entry["text"]) + [tokenizer.last]
            ids.append(np.array(found, np.uint16))
            starts.append(starts[-1] + len(found))
            sources.append(entry["source"])
    if not ids:
        raise SystemExit(f"{path} has no texts")
    return Tokens(np.concatenate(ids), np.array(starts), sources)


def read_tokens(corpus: pathlib.Path, tokenizer: wordpiece.WordPiece, cache: pathlib.Path) -> tuple[Tokens, Tokens]:
    """The corpus's two parts as ids, from the cache if it was made of the same files."""
    files = [corpus / "train.jsonl.gz", corpus / "validation.jsonl.gz"]
    for file in files:
        if not file.exists():
            raise SystemExit(f"there is no {file}: make it with corpus.py")
    key = hashlib.sha256(json.dumps([tokenizer.entries, tokenizer.settings]).encode())
    for file in files:
        key.update(file.read_bytes())
    if cache.exists():
        stored = np.load(cache)
        if str(stored["key"]) == key.hexdigest():
            return tuple(Tokens(stored[f"ids{i}"], stored[f"starts{i}"], stored[f"sources{i}"].tolist()) for i in (0, 1))
    parts = tuple(tokenize(file, tokenizer) for file in files)
    arrays = {name + str(i): value for i, part in enumerate(parts) for name, value in dataclasses.asdict(part).items()}
    np.savez(cache, key=key.hexdigest(), **arrays)
    return parts


def pack(tokens: Tokens, order: np.ndarray, length: int, tokenizer: wordpiece.WordPiece) -> np.ndarray:
    """The texts of that order as sequences [CLS] ... [SEP]; what does not fill the last one is left out."""
    stream = np.concatenate([tokens.text(i) for i in order])
    inner = length - 2
    rows = stream[: len(stream) // inner * inner].reshape(-1, inner)
    ends = np.ones((len(rows), 1), np.uint16)
    return np.hstack([ends * tokenizer.first, rows, ends * tokenizer.last]).astype(np.int32)


class Stream:
    """Batches without end, epoch after epoch; where it stands is two numbers."""

    def __init__(self, tokens: Tokens, tokenizer: wordpiece.WordPiece, length: int, weights: dict[str, float], seed: int):
        self.tokens, self.tokenizer, self.length, self.seed = tokens, tokenizer, length, seed
        self.weights = np.array([weights.get(source, 1.0) for source in tokens.sources])
        self.epoch, self.at = 0, 0
        self.rows: np.ndarray | None = None

    def go_to(self, epoch: int, at: int) -> None:
        self.epoch, self.at, self.rows = epoch, at, None

    def next(self, batch: int) -> torch.Tensor:
        if self.rows is None:
            self.rows = self.begin(batch)
        if self.at + batch > len(self.rows):
            self.go_to(self.epoch + 1, 0)
            self.rows = self.begin(batch)
        self.at += batch
        return torch.from_numpy(self.rows[self.at - batch : self.at])

    def begin(self, batch: int) -> np.ndarray:
        """The epoch's sequences, shuffled; a text of weight 1.5 stands in it once or twice."""
        random = np.random.default_rng((self.seed, self.epoch))
        times = np.floor(self.weights + random.random(len(self.weights))).astype(int)
        order = random.permutation(np.repeat(np.arange(len(times)), times))
        rows = pack(self.tokens, order, self.length, self.tokenizer)
        if len(rows) < batch:
            raise SystemExit(f"the corpus fills {len(rows)} sequences of {self.length} tokens, fewer than a batch of {batch}")
        random.shuffle(rows)
        return rows


class Masker:
    """Hides whole words: of their tokens 80 % become [MASK], 10 % another token, 10 % stay."""

    def __init__(self, tokenizer: wordpiece.WordPiece, rate: float, device: torch.device):
        self.rate, self.mask, self.size = rate, tokenizer.mask, len(tokenizer.entries)
        self.goes_on = torch.tensor([e.startswith("##") for e in tokenizer.entries], device=device)
        self.special = torch.tensor([e in wordpiece.SPECIAL and e != "[UNK]" for e in tokenizer.entries], device=device)

    def __call__(self, ids: torch.Tensor, random: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """The ids with words hidden, and where; places are of ids.view(-1)."""
        draw = lambda: torch.rand(ids.shape, generator=random, device=ids.device)
        word = torch.cumsum(~self.goes_on[ids], 1) - 1
        chosen = (draw().gather(1, word.clamp(min=0)) < self.rate) & ~self.special[ids]
        kind = draw()
        other = torch.randint(len(wordpiece.SPECIAL), self.size, ids.shape, generator=random, device=ids.device)
        hidden = torch.where(chosen & (kind < 0.8), torch.full_like(ids, self.mask), ids)
        hidden = torch.where(chosen & (kind >= 0.9), other, hidden)
        return hidden, chosen.view(-1).nonzero().squeeze(1)


class Run:
    """A model in training."""

    def __init__(self, a: argparse.Namespace):
        self.a = a
        self.device, self.dtype = devices.choose(a)
        self.length = a.length or (128 if self.device.type == "cpu" else 256)
        self.tokenizer = wordpiece.WordPiece(wordpiece.read_vocabulary(a.vocab))
        a.out.mkdir(parents=True, exist_ok=True)
        train, validation = read_tokens(a.corpus, self.tokenizer, a.out / "tokens.npz")
        self.stream = Stream(train, self.tokenizer, self.length, weights(a.weight, set(train.sources)), a.seed)
        self.validation = pack(validation, np.arange(len(validation.sources)), self.length, self.tokenizer)
        if len(self.validation) == 0:
            raise SystemExit(f"{a.corpus}/validation.jsonl.gz does not fill a sequence of {self.length} tokens")
        torch.manual_seed(a.seed)
        shape = bert.Shape(len(self.tokenizer.entries), a.layers, a.hidden, a.heads, a.intermediate or 4 * a.hidden,
                           a.positions or self.length, hidden_dropout_prob=a.dropout)
        self.model = bert.MaskedLM(shape).to(self.device)
        self.optimizer = adamw(self.model, a, self.device)
        self.mask = Masker(self.tokenizer, a.mask, self.device)
        self.encode = self.model.bert
        if a.compile and hasattr(torch, "compile"):
            self.encode = torch.compile(self.model.bert)
        self.step = self.seen = 0
        self.resume()

    def resume(self) -> None:
        found = checkpoint.load(self.a.out / "checkpoint")
        if found is None:
            self.journal = journal.Journal(self.a.out / "log.jsonl")
            self.begin()
            parameters = sum(p.numel() for p in self.model.parameters())
            self.journal.add("begin", step=0, device=str(self.device), precision=str(self.dtype), torch=torch.__version__,
                             parameters=parameters, tokens=len(self.stream.tokens.ids), arguments=plain(self.a))
            return
        tensors, state = found
        if state["shape"] != dataclasses.asdict(self.model.shape):
            raise SystemExit(f"{self.a.out}/checkpoint is of another shape, {state['shape']}: give the same flags, or another --out")
        checkpoint.restore(tensors, state["step"], self.model, self.optimizer, optimized(self.model))
        self.step, self.seen = state["step"], state["seen"]
        self.stream.go_to(state["epoch"], state["at"])
        self.journal = journal.Journal(self.a.out / "log.jsonl", self.step)
        self.journal.add("resume", step=self.step, device=str(self.device), precision=str(self.dtype), arguments=plain(self.a))

    @torch.no_grad()
    def begin(self) -> None:
        """Starts from what counting tells: how often a word is, and which stand near each other."""
        size, ids = len(self.tokenizer.entries), self.stream.tokens.ids
        often = torch.from_numpy(np.bincount(ids, minlength=size) + 1.0)
        self.model.cls.predictions.bias.copy_((often / often.sum()).log())
        table = self.model.bert.embeddings.word_embeddings.weight
        if self.a.vectors and size > 2 * table.shape[1]:
            table.copy_(torch.from_numpy(0.02 * cooccurrence.vectors(ids, size, table.shape[1], self.a.seed)))

    def save(self) -> None:
        """Writes the checkpoint, the model and the curve."""
        tensors = checkpoint.of_training(self.model, self.optimizer, optimized(self.model))
        state = {"step": self.step, "seen": self.seen, "epoch": self.stream.epoch, "at": self.stream.at,
                 "shape": dataclasses.asdict(self.model.shape)}
        checkpoint.save(self.a.out / "checkpoint", tensors, state)
        bert.save(self.a.out / "model", self.model, self.a.vocab, self.tokenizer.settings)
        svg = journal.curve(journal.read(self.a.out / "log.jsonl"), "masked-word loss by step")
        if svg:
            (self.a.out / "loss.svg").write_text(svg, encoding="utf-8")

    def rate(self) -> float:
        """The learning rate of the step to come."""
        a, left = self.a, self.a.steps - self.step
        return a.lr * min(1, (self.step + 1) / max(1, a.warmup), left / max(1, a.decay * a.steps))

    def loss(self, ids: torch.Tensor, random: torch.Generator) -> tuple[torch.Tensor, int]:
        """The summed loss over the hidden words of a batch, and how many there were."""
        ids = ids.to(self.device, torch.long)
        hidden, places = self.mask(ids, random)
        rows = self.encode(hidden, None, self.dtype).flatten(0, 1)[places]
        logits = self.model.words(rows).float()
        return functional.cross_entropy(logits, ids.view(-1)[places], reduction="sum"), len(places)

    def train(self) -> torch.Tensor:
        """One step; answers the mean loss without waiting for the device."""
        random = torch.Generator(self.device).manual_seed(self.a.seed * 1_000_003 + self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate()
        self.model.train()
        total, share = torch.zeros((), device=self.device), 1 / self.a.accumulate
        for _ in range(self.a.accumulate):
            summed, places = self.loss(self.stream.next(self.a.batch), random)
            mean = summed / max(1, places) * share
            mean.backward()
            total += mean.detach()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        self.seen += self.a.batch * self.a.accumulate * self.length
        return total

    @torch.no_grad()
    def validate(self) -> float:
        """The mean loss on the same hidden words each time."""
        self.model.eval()
        random = torch.Generator(self.device).manual_seed(0)
        rows = self.validation[np.random.default_rng(0).permutation(len(self.validation))[: self.a.validation]]
        total, places = 0.0, 0
        for at in range(0, len(rows), self.a.batch):
            summed, n = self.loss(torch.from_numpy(rows[at : at + self.a.batch]), random)
            total, places = total + float(summed), places + n
        return total / max(1, places)

    def go(self) -> None:
        stop = []
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: stop.append(True))
        a, saved, begun, counted, losses = self.a, time.monotonic(), time.monotonic(), self.seen, []
        while self.step < a.steps and not stop:
            losses.append(self.train())
            if self.step % a.log == 0:
                speed = (self.seen - counted) / (time.monotonic() - begun)
                self.journal.add("train", step=self.step, epoch=self.stream.epoch, loss=float(sum(losses)) / len(losses),
                                 rate=self.rate(), tokens_per_second=round(speed))
                begun, counted, losses = time.monotonic(), self.seen, []
            if self.step % a.validate == 0 or self.step == a.steps:
                loss = self.validate()
                self.journal.add("validate", step=self.step, tokens=self.seen, validation_loss=loss, perplexity=math.exp(loss))
                begun, counted = time.monotonic(), self.seen
            if time.monotonic() - saved > 60 * a.save:
                self.save()
                saved = time.monotonic()
        self.save()
        self.journal.add("stopped" if stop else "done", step=self.step)


def optimized(model: torch.nn.Module) -> list[str]:
    """The parameters in the optimizer's order: those that decay, then those that do not."""
    named = dict(model.named_parameters())
    return [n for n, p in named.items() if p.dim() > 1] + [n for n, p in named.items() if p.dim() == 1]


def adamw(model: torch.nn.Module, a: argparse.Namespace, device: torch.device) -> torch.optim.AdamW:
    named = dict(model.named_parameters())
    decayed, others = ([named[n] for n in optimized(model) if (named[n].dim() > 1) == d] for d in (True, False))
    fused = {"fused": True} if device.type == "cuda" and "fused" in inspect.signature(torch.optim.AdamW).parameters else {}
    return torch.optim.AdamW([{"params": decayed, "weight_decay": a.weight_decay}, {"params": others, "weight_decay": 0.0}],
                             lr=a.lr, betas=(0.9, 0.98), eps=1e-6, **fused)


def weights(given: list[str], sources: set[str]) -> dict[str, float]:
    out = {}
    for spec in given:
        source, _, weight = spec.partition("=")
        if source not in sources:
            raise SystemExit(f"--weight {spec}: there is no such source, only {', '.join(sorted(sources))}")
        out[source] = float(weight)
    return out


def plain(a: argparse.Namespace) -> dict[str, object]:
    return {k: str(v) if isinstance(v, pathlib.Path) else v for k, v in vars(a).items()}


def arguments() -> argparse.Namespace:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--corpus", required=True, type=pathlib.Path, metavar="DIR", help="train.jsonl.gz and validation.jsonl.gz")
    p.add_argument("--vocab", required=True, type=pathlib.Path, metavar="vocab.txt", help="cased, as vocab.py makes it")
    p.add_argument("--out", required=True, type=pathlib.Path, metavar="RUN")
    for name, default, what in (
        ("--layers", 4, ""), ("--hidden", 256, ""), ("--heads", 4, ""), ("--intermediate", 0, "0: four times --hidden"),
        ("--length", 0, "tokens of a sequence; 0: 128 on a CPU, 256 elsewhere"), ("--positions", 0, "0: as --length"),
        ("--batch", 32, "sequences that are computed at once"), ("--accumulate", 1, "batches of a step"), ("--steps", 10000, ""),
        ("--warmup", 300, "steps"), ("--log", 20, "steps from line to line"), ("--validate", 500, "steps from one validation to the next"),
        ("--validation", 256, "sequences to validate on"), ("--seed", 1, ""),
    ):
        p.add_argument(name, type=int, default=default, help=f"{what} (default %(default)s)".strip())
    for name, default, what in (
        ("--lr", 1e-3, "the highest"), ("--decay", 0.25, "share of the steps over which it falls"), ("--weight-decay", 0.01, ""),
        ("--mask", 0.2, "share of words"), ("--dropout", 0.0, ""), ("--save", 10.0, "minutes from checkpoint to checkpoint"),
    ):
        p.add_argument(name, type=float, default=default, help=f"{what} (default %(default)s)".strip())
    p.add_argument("--vectors", action=argparse.BooleanOptionalAction, default=True,
                   help="begin with word vectors from counts, not at random (default: yes)")
    p.add_argument("--weight", action="append", default=[], metavar="SOURCE=N", help="times that texts of a source stand in an epoch")
    p.add_argument("--compile", action=argparse.BooleanOptionalAction, default=torch.cuda.is_available(),
                   help="torch.compile, where torch has it")
    devices.add_arguments(p)
    return p.parse_args()


if __name__ == "__main__":
    Run(arguments()).go()
