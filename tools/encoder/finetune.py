#!/usr/bin/env python3
"""Fine-tunes a BERT to label notes.

    finetune.py --start RUN/model --data notes.csv --text note --label specialty --out MODEL

MODEL is a directory in Hugging Face's layout, for "bedside import". --start is another one: of pretrain.py, or a checkpoint
such as Bio_ClinicalBERT. A share of the notes (--validation) is kept aside; the epoch with the best macro-F1 on it is kept,
and training ends after --patience epochs without a better one. Of several --seeds the one with the median figure is written.
MODEL/log.jsonl has every epoch, MODEL/report.json the outcome; the same command goes on after an interruption.

A note longer than a window is read in several, which overlap as the engine has them; the head reads the mean of their pooled
vectors. --windows bounds how many of a note a training step reads, drawn anew each time.

With --folds K, K more models learn all notes but a Kth each, and answer those: MODEL/scores.csv has what they said, logits of every
note by a model that did not learn it, for "bedside import --scores" and "bedside mix".
With --validation 0 every note is learnt and the last epoch is kept: for when the number of epochs is known.

With --teacher a bundle's probabilities on --unlabelled texts are learnt too. Texts that share a quarter of their passages
with notes that are kept aside or measured on are left out; that the teacher has not seen those notes is yours to see to.
"""
from __future__ import annotations

import argparse
import csv
import dataclasses
import hashlib
import inspect
import json
import pathlib
import shlex
import shutil
import subprocess
import tempfile

import numpy as np
import torch
from torch.nn import functional

import bert
import checkpoint
import corpus
import device as devices
import journal
import notes
import score
import wordpiece


@dataclasses.dataclass
class Note:
    """A note as it is learnt: its windows, and the probability that each label should get."""

    windows: list[np.ndarray]
    target: np.ndarray
    weight: float = 1.0
    vectors: torch.Tensor | None = None  # of its windows, where the encoder stays as it is


class Task:
    """The notes to learn, to validate on and to measure on, and their labels."""

    def __init__(self, a: argparse.Namespace, tokenizer: wordpiece.WordPiece, most: int, fold: int | None = None):
        """With a fold, the notes of that fold are the ones to measure on."""
        self.a, self.tokenizer = a, tokenizer
        self.window = a.window or min(512, most)
        half = (self.window - 2) // 2
        self.overlap = min(124, half) if a.overlap is None else a.overlap
        if not 8 <= self.window <= most or not 0 <= self.overlap <= half:
            raise SystemExit(f"--window: want 8 to the model's {most} positions; --overlap: want 0 to {half}")
        examples = notes.load(a.data, a.text, a.label, a.label_separator, a.group_by_text, a.split)
        learnt = [e for e in examples if not a.split or e.part == a.part]
        self.labels = sorted({label for e in learnt for label in e.labels})
        measured = [e for e in examples if a.measure and e.part == a.measure]
        if fold is not None:
            measured = [e for e in learnt if notes.fold_of(e, a.folds) == fold]
            learnt = [e for e in learnt if notes.fold_of(e, a.folds) != fold]
        if not learnt or a.measure and not measured:
            raise SystemExit(f"{a.data} has no notes of part {a.measure if learnt else a.part!r}")
        self.rows = [e.row for e in measured]
        if a.folds and not notes.named(examples):
            raise SystemExit(f"{a.data}: --folds writes scores.csv by the column row, which has to name every row once, by a whole number")
        aside = [e for e in learnt if notes.kept_aside(e, a.validation)]
        rows = {e.row for e in learnt} - {e.row for e in aside}
        self.train = [self.note(e) for e in learnt if e.row in rows]
        self.aside, self.measured = [self.note(e) for e in aside], [self.note(e) for e in measured]
        if not self.train or not self.aside and a.validation:
            raise SystemExit(f"{len(self.train)} notes to learn, {len(self.aside)} to validate on: want more, or another --validation")
        kept = {notes.fold(e.text) for e in aside + measured}
        for path in a.also:
            more = notes.load(path, a.text, a.label, a.label_separator)
            named = "row" in corpus.rows(path)[0]
            self.train += [self.note(e) for e in more
                           if (not named or e.row in rows) and notes.fold(e.text) not in kept and set(e.labels) <= set(self.labels)]
        self.counts = np.sum([n.target for n in self.train], axis=0)
        self.learnt = hashlib.sha256(b"".join(array.tobytes() for n in self.train for array in [*n.windows, n.target])).hexdigest()
        if a.teacher:
            self.train += self.taught([e.text for e in aside + measured])

    def note(self, e: notes.Example) -> Note:
        """A label that no note to learn has is left out of a note to measure on."""
        target = np.array([label in e.labels for label in self.labels], np.float32)
        return Note(notes.read(e.text, self.tokenizer, self.window, self.overlap), target)

    def taught(self, kept: list[str]) -> list[Note]:
        """Unlabelled texts with the teacher's probabilities."""
        measured = corpus.Measured()
        for text in kept:
            measured.add(text)
        random = np.random.default_rng(0)
        texts = [t for path in self.a.unlabelled for t in corpus.texts(path) if measured.overlap(t) < 0.25]
        texts = [texts[i] for i in random.permutation(len(texts))[: self.a.unlabelled_most]]
        return [Note(notes.read(text, self.tokenizer, self.window, self.overlap),
                     np.array([scores.get(label, 0) for label in self.labels], np.float32), self.a.teacher_weight)
                for text, scores in zip(texts, ask(self.a.bedside, self.a.teacher, texts)) if scores]


def ask(bedside: str, bundle: str, texts: list[str]) -> list[dict[str, float]]:
    """A bundle's probabilities of texts; empty for one that it refuses."""
    out = []
    for at in range(0, len(texts), 1000):
        with tempfile.TemporaryDirectory() as d:
            files = []
            for i, text in enumerate(texts[at : at + 1000]):
                files.append(pathlib.Path(d, f"{i}.txt"))
                files[-1].write_text(text, encoding="utf-8")
            done = subprocess.run([bedside, "classify", "--bundle", bundle, "--json", "--explain", "0", *map(str, files)],
                                  stdout=subprocess.PIPE, text=True)
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        if len(answers) != len(files):
            raise SystemExit(f"{bedside} classify answered {len(answers)} of {len(files)} texts (exit {done.returncode})")
        out += [{label["name"]: label["probability"] for label in answer.get("labels", [])} for answer in answers]
    return out


class Trainer:
    """One seed's training."""

    def __init__(self, a: argparse.Namespace, task: Task, seed: int, log: journal.Journal, name: str):
        self.a, self.task, self.seed, self.log, self.name = a, task, seed, log, name
        self.device, self.dtype = devices.choose(a)
        self.dir = a.out / name
        shape = bert.Shape.read(a.start)
        shape.hidden_dropout_prob = a.dropout
        torch.manual_seed(seed)
        self.model = bert.Classifier(shape, len(task.labels), a.pool, not a.no_pooler)
        missing = bert.load(a.start, self.model)
        if any(not name.startswith(("classifier.", "bert.pooler.")) for name in missing):
            raise SystemExit(f"{a.start} has no {', '.join(missing[:4])}")
        self.model.to(self.device)
        self.names, self.optimizer = adamw(self.model, a)
        self.balance = torch.tensor(balance(task.counts), dtype=torch.float32, device=self.device)
        if a.frozen:
            for n in task.train + task.aside + task.measured:
                n.vectors = self.vectors(n) if n.vectors is None else n.vectors
        self.steps = a.epochs * -(-len(task.train) // a.batch)
        self.epoch = self.step = 0
        self.best: dict[str, float] = {}

    @torch.no_grad()
    def vectors(self, n: Note) -> torch.Tensor:
        self.model.eval()
        return torch.cat([self.model.rows(*self.padded(n.windows[i : i + 16]), self.dtype) for i in range(0, len(n.windows), 16)])

    def padded(self, windows: list[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
        ids = np.full((len(windows), max(map(len, windows))), self.task.tokenizer.pad, np.int64)
        mask = np.zeros(ids.shape, np.int64)
        for i, w in enumerate(windows):
            ids[i, : len(w)], mask[i, : len(w)] = w, 1
        return torch.from_numpy(ids).to(self.device), torch.from_numpy(mask).to(self.device)

    def logits(self, batch: list[Note], most: int = 0, random: np.random.Generator | None = None) -> torch.Tensor:
        """Of each note, from all its windows or from at most `most`, drawn at random."""
        drawn = [range(len(n.windows)) if not most or len(n.windows) <= most
                 else sorted(random.choice(len(n.windows), most, replace=False)) for n in batch]
        note = torch.tensor([i for i, d in enumerate(drawn) for _ in d], device=self.device)
        if self.a.frozen:
            rows = torch.cat([n.vectors[list(d)] for n, d in zip(batch, drawn)])
        else:
            rows = self.model.rows(*self.padded([n.windows[i] for n, d in zip(batch, drawn) for i in d]), self.dtype)
        return self.model.answer(rows, note, len(batch))

    def loss(self, logits: torch.Tensor, batch: list[Note]) -> torch.Tensor:
        target = torch.from_numpy(np.stack([n.target for n in batch])).to(self.device)
        weight = torch.tensor([n.weight for n in batch], device=self.device)
        per_label = self.balance if self.a.loss == "balanced" else torch.ones_like(self.balance)
        if self.a.multi_label:
            p = torch.sigmoid(logits)
            each = functional.binary_cross_entropy_with_logits(logits, target, reduction="none", pos_weight=per_label)
            missed = (target - p).abs()
        else:
            p = torch.softmax(logits, 1)
            each = -target * per_label * functional.log_softmax(logits, 1)
            missed = 1 - p
        if self.a.loss == "focal":
            each = each * missed.detach() ** self.a.gamma
        return (each.sum(1) * weight).mean()

    def train_epoch(self) -> float:
        a, losses = self.a, []
        random = np.random.default_rng((self.seed, self.epoch))
        torch.manual_seed(self.seed * 1009 + self.epoch)
        self.model.train()
        for batch in batches(self.task.train, a.batch, random):
            rise, fall = a.warmup * self.steps, (1 - a.warmup) * self.steps
            share = min(1, (self.step + 1) / max(1, rise), (self.steps - self.step) / max(1, fall))
            for group in self.optimizer.param_groups:
                group["lr"] = group["full"] * share
            loss = self.loss(self.logits(batch, a.windows, random), batch)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)
            self.step += 1
            losses.append(float(loss))
        self.epoch += 1
        return sum(losses) / len(losses)

    @torch.no_grad()
    def answers(self, examples: list[Note]) -> np.ndarray:
        """Logits, [notes, labels]."""
        self.model.eval()
        order = sorted(range(len(examples)), key=lambda i: len(examples[i].windows))
        answers = np.zeros((len(examples), len(self.task.labels)), np.float32)
        for at in range(0, len(order), self.a.batch):
            some = order[at : at + self.a.batch]
            answers[some] = self.logits([examples[i] for i in some]).float().cpu().numpy()
        return answers

    def go(self) -> dict[str, float]:
        """Trains until it gets no better; answers the best epoch's figures."""
        self.resume()
        while self.epoch < self.a.epochs and self.epoch - self.best.get("epoch", 0) < self.a.patience:
            loss = self.train_epoch()
            found = figures(self.answers(self.task.aside), self.task.aside, self.a) if self.task.aside else {}
            self.log.add("epoch", model=self.name, epoch=self.epoch, loss=loss, **found)
            if not found or found["macro_f1"] > self.best.get("macro_f1", -1):
                self.best = {"epoch": self.epoch, **found}
                write(self.dir / "model", self.model, self.task, self.a)
            state = {"epoch": self.epoch, "step": self.step, "best": self.best, "labels": self.task.labels, "learnt": self.task.learnt}
            checkpoint.save(self.dir / "checkpoint", checkpoint.of_training(self.model, self.optimizer, self.names), state)
        return self.best

    def resume(self) -> None:
        found = checkpoint.load(self.dir / "checkpoint")
        if found is None:
            return
        tensors, state = found
        if state["labels"] != self.task.labels or state.get("learnt", self.task.learnt) != self.task.learnt:
            raise SystemExit(f"{self.dir}/checkpoint learnt other notes or labels: give the same flags, or another --out")
        checkpoint.restore(tensors, state["step"], self.model, self.optimizer, self.names)
        self.epoch, self.step, self.best = state["epoch"], state["step"], state["best"]
        self.log.add("resume", model=self.name, epoch=self.epoch)

    def measure(self) -> np.ndarray:
        """The best epoch's logits of the notes to measure on."""
        bert.load(self.dir / "model", self.model)
        return self.answers(self.task.measured)


def figures(logits: np.ndarray, examples: list[Note], a: argparse.Namespace) -> dict[str, float]:
    z = torch.from_numpy(logits)
    answers = (torch.sigmoid(z) if a.multi_label else torch.softmax(z, 1)).numpy()
    return score.figures(answers, np.stack([n.target for n in examples]) > 0, a.multi_label)


UNLEARNT = 30.0  # Bedside's logit, or its negative, for a label on which all notes learnt agreed: calibration leaves it out


def out_of_fold(a: argparse.Namespace, tokenizer: wordpiece.WordPiece, most: int, log: journal.Journal) -> dict[str, float]:
    """Trains a model for each fold and writes what it says of the notes that it did not learn; answers the figures over all."""
    lines, logits, examples = [], [], []
    for fold in range(a.folds):
        task = Task(a, tokenizer, most, fold)
        trainer = Trainer(a, task, 1, log, f"fold-{fold + 1}")
        trainer.go()
        logits.append(trainer.measure())
        logits[-1][:, task.counts == 0] = -UNLEARNT
        logits[-1][:, task.counts == len(task.train)] = UNLEARNT
        examples += task.measured
        lines += [[row, *map("{:.6g}".format, z)] for row, z in zip(task.rows, logits[-1])]
    with open(a.out / "scores.csv", "w", encoding="utf-8", newline="") as f:
        csv.writer(f, lineterminator="\n").writerows([["row", *task.labels], *sorted(lines, key=lambda line: int(line[0]))])
    found = figures(np.concatenate(logits), examples, a)
    log.add("folds", notes=len(examples), **found)
    return found


def write(directory: pathlib.Path, model: bert.Classifier, task: Task, a: argparse.Namespace) -> None:
    names = dict(enumerate(task.labels))
    kind = "multi_label_classification" if a.multi_label else "single_label_classification"
    bert.save(directory, model, a.start / "vocab.txt", task.tokenizer.settings, problem_type=kind, id2label=names,
              label2id={name: i for i, name in names.items()})


def balance(counts: np.ndarray, beta: float = 0.999) -> np.ndarray:
    """Weights by the effective number of a label's notes (Cui et al. 2019), 1 in the mean over notes."""
    weight = (1 - beta) / (1 - beta ** np.maximum(counts, 1))
    return weight * counts.sum() / (weight * counts).sum()


def batches(train: list[Note], size: int, random: np.random.Generator) -> list[list[Note]]:
    """All notes in random order, those of like length together, so that little is padded."""
    order = random.permutation(len(train))
    runs = [sorted(order[i : i + 16 * size], key=lambda k: (len(train[k].windows), len(train[k].windows[0])))
            for i in range(0, len(order), 16 * size)]
    cut = [[train[k] for k in run[i : i + size]] for run in runs for i in range(0, len(run), size)]
    return [cut[i] for i in random.permutation(len(cut))]


def adamw(model: bert.Classifier, a: argparse.Namespace) -> tuple[list[str], torch.optim.AdamW]:
    """An optimizer whose rate falls by --layer-decay with each layer below the head; the names in its order."""
    layers = model.shape.num_hidden_layers
    groups = []
    for name, p in model.named_parameters():
        head = name.startswith(("classifier.", "bert.pooler."))
        if a.frozen and not head:
            p.requires_grad_(False)
            continue
        depth = layers if head else int(name.split(".")[3]) if ".layer." in name else -1
        rate = (a.head_lr or a.lr) if head else a.lr * a.layer_decay ** (layers - 1 - depth)
        groups.append((name, {"params": [p], "full": rate, "weight_decay": a.weight_decay if p.dim() > 1 else 0.0}))
    fused = {"fused": True} if a.device.startswith("cuda") and "fused" in inspect.signature(torch.optim.AdamW).parameters else {}
    return [name for name, _ in groups], torch.optim.AdamW([g for _, g in groups], lr=a.lr, **fused)


def arguments() -> argparse.Namespace:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--start", required=True, type=pathlib.Path, metavar="DIR", help="model to begin with, in Hugging Face's layout")
    p.add_argument("--data", required=True, metavar="F.csv", help="labelled notes")
    p.add_argument("--text", required=True, metavar="COL", help="column with the notes")
    p.add_argument("--label", required=True, metavar="COL", help="column with the label or labels")
    p.add_argument("--out", required=True, type=pathlib.Path, metavar="MODEL")
    p.add_argument("--label-separator", default="", metavar="';'", help="what separates several labels in one cell")
    p.add_argument("--multi-label", action="store_true", help="several labels may be right for one note")
    p.add_argument("--group-by-text", action="store_true", help="one example for each distinct text, its labels united")
    p.add_argument("--split", default="", metavar="F.csv", help="columns row and part: which part of a split each row belongs to")
    p.add_argument("--part", default="train", help="with --split: the part to learn (default %(default)s)")
    p.add_argument("--measure", default="", metavar="PART", help="with --split: a part to measure the chosen model on, once")
    p.add_argument("--also", action="append", default=[], metavar="F.csv",
                   help="more labelled texts, same columns; where there is a column row, only those of rows that are learnt")
    p.add_argument("--case", choices=("auto", "cased", "uncased"), default="auto",
                   help="how the model to begin with reads letters; auto is what its tokenizer_config.json says")
    p.add_argument("--loss", choices=("balanced", "focal", "plain"), default="balanced", help="default %(default)s")
    p.add_argument("--pool", choices=("first", "mean"), default="first", help="what the head reads of a window (default %(default)s)")
    p.add_argument("--no-pooler", action="store_true", help="no dense layer before the head")
    p.add_argument("--frozen", action="store_true", help="learn the head alone")
    p.add_argument("--teacher", default="", metavar="BUNDLE", help="learn a bundle's answers too")
    p.add_argument("--unlabelled", action="append", default=[], type=pathlib.Path, metavar="FILE", help="texts to ask the teacher about")
    p.add_argument("--bedside", default="bin/bedside", help="the program that runs the teacher (default %(default)s)")
    for name, default, what in (
        ("--window", 0, "tokens read at a time; 0: 512, or what the model can"),
        ("--windows", 3, "of a note in a training step; 0: all"), ("--batch", 8, "notes"), ("--epochs", 10, "at most"),
        ("--patience", 3, "epochs without a better one"), ("--seeds", 3, "how many"),
        ("--unlabelled-most", 5000, "texts"), ("--folds", 0, "models that each leave a part of the notes unlearnt; 0: none"),
    ):
        p.add_argument(name, type=int, default=default, help=f"{what} (default %(default)s)")
    p.add_argument("--overlap", type=int, help="tokens that windows share (default: 124, or half a window)")
    for name, default, what in (
        ("--lr", 5e-5, "of the highest layer; a small model wants ten times that"), ("--head-lr", 5e-4, "of the head"),
        ("--layer-decay", 0.85, "of the rate, by layer"),
        ("--warmup", 0.1, "share of the steps"), ("--weight-decay", 0.01, "AdamW's"), ("--dropout", 0.1, "share"),
        ("--gamma", 2.0, "of the focal loss"), ("--validation", 0.1, "share of the notes kept aside; 0: none"),
        ("--teacher-weight", 0.5, "of a text that the teacher answered, a labelled note's being 1"),
    ):
        p.add_argument(name, type=float, default=default, help=f"{what} (default %(default)s)")
    devices.add_arguments(p)
    return p.parse_args()


def main() -> None:
    a = arguments()
    if a.measure and not a.split or bool(a.teacher) != bool(a.unlabelled):
        raise SystemExit("--measure needs --split; --teacher and --unlabelled need each other")
    if a.folds == 1 or a.folds and a.teacher:
        raise SystemExit("--folds: want 2 or more, and no --teacher, which has seen the notes of every fold")
    if not a.validation and a.seeds > 1:
        raise SystemExit("--validation 0 leaves nothing to choose among several --seeds by")
    tokenizer = wordpiece.WordPiece.read(a.start, a.case)
    most = bert.Shape.read(a.start).max_position_embeddings
    task = Task(a, tokenizer, most)
    log = journal.Journal(a.out / "log.jsonl", 0)
    log.add("begin", learnt=len(task.train), kept_aside=len(task.aside), measured=len(task.measured), labels=len(task.labels),
            window=task.window, overlap=task.overlap)
    found = {}
    for seed in range(1, a.seeds + 1):
        trainer = Trainer(a, task, seed, log, f"seed-{seed}")
        found[seed] = {"validation": trainer.go()}
        if a.measure:
            found[seed]["measured"] = figures(trainer.measure(), task.measured, a)
    by_figure = sorted(found, key=lambda seed: found[seed]["validation"].get("macro_f1", 0))
    median = by_figure[(len(by_figure) - 1) // 2]
    for file in (a.out / f"seed-{median}" / "model").iterdir():
        shutil.copy(file, a.out / file.name)
    report = {"seed": median, "median": found[median], "seeds": found, "window": task.window, "overlap": task.overlap}
    if a.folds:
        report["folds"] = out_of_fold(a, tokenizer, most, log)
    (a.out / "report.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(json.dumps({"seed": median, **found[median]}))
    print(importing(a, task.window, task.overlap))


def importing(a: argparse.Namespace, window: int, overlap: int) -> str:
    """The command that makes a bundle of the model."""
    out = ["bedside", "import", a.out, *["--pool", a.pool] * (a.pool != "first"), *["--no-pooler"] * a.no_pooler,
           "--window", window, "--overlap", overlap, "--calibrate", a.data, "--text", a.text]
    if a.folds:
        out += ["--scores", a.out / "scores.csv", "--data", a.data, "--label", a.label, *["--group-by-text"] * a.group_by_text]
        out += [*["--label-separator", a.label_separator] * bool(a.label_separator), *["--split", a.split, "--part", a.part] * bool(a.split)]
    return shlex.join(map(str, out)) + " --out BUNDLE"


if __name__ == "__main__":
    main()
