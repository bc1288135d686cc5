#!/usr/bin/python3
"""Writes BERT classifiers with random weights, in Hugging Face's layout, and what torch makes of them.

    /usr/bin/python3 tools/encoder/bert_goldens.py                             # wasm/encoder/testdata/NAME/
    /usr/bin/python3 tools/encoder/bert_goldens.py --large DIR [--outliers]    # DIR/bert-base/, DIR/minilm-l6/

needs torch 1.13 (Debian 12: python3-torch) and numpy. Everything is drawn from fixed seeds; running it again changes
nothing but the storage keys in legacy/pytorch_model.bin, which are memory addresses.

Each directory holds config.json, tokenizer_config.json, vocab.txt, the weights in one of the file formats that
checkpoints come in, and golden.json:

    pool    what is pooled: "first", the [CLS] row, or "mean", the mean over all tokens
    pooler  whether a dense layer with tanh follows
    cases   a text each:
      ids       its tokens, [CLS] and [SEP] included; all token types are 0
      pooled    the vector that the head reads, float32, from one padded batch of all cases with an attention mask
      logits    the head's answer in the same run
      exact     the logits once more in float64, of each case alone

The large models have weights of deviation 0.05 and layer norms of gamma 1 + 0.05 n; --outliers makes gamma 10 to 20
times as large in six hidden channels of every layer norm, as trained encoders show it. Tables of the large vocabulary are
filled up with invented words, so that texts of any tokens can be written.
"""
import argparse
import collections
import json
import pathlib
import struct

import numpy as np
import torch
from torch import nn
from torch.nn import functional

OUT = pathlib.Path(__file__).parents[2] / "wasm" / "encoder" / "testdata"

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
LETTERS = "abcdefghijklmnopqrstuvwxyz"
PIECES = (
    [c for c in LETTERS] + ["##" + c for c in LETTERS] + [c for c in "0123456789"] + ["##" + c for c in "0123456789"]
    + [c for c in ".,:;/-()%"]
    + "the a of and with no in on for was is after pain chest fever cough heart left right knee day days patient denies "
      "blood pressure normal acute mild severe started mg".split()
    + "##s ##ed ##ing ##itis ##osis ##emia ##ectomy ##ology ##pathy arthr cardi gastr hyper".split()
)
CAPITALS = ["The", "Patient", "No", "BP", "ECG", "MRI"] + [c for c in "ABCDEMNPT"] + ["##A", "##B", "##C", "##P"]

TEXTS = [
    "pain",
    "Patient denies chest pain, cough and fever.",
    "Acute arthritis of the left knee, mild pain for 3 days; no fever.",
    "BP 120/80, ECG normal. The patient was started on 5 mg after gastrectomy (day 2).",
    "hyperemia with cardiopathy",
    "zq\u00e4x \u96ea unknown characters, 50% of them",
    "the the the the the heart was normal on the right and on the left, the knee was normal, the blood pressure was normal",
]

SHAPES = {
    # file format, and what is odd about each
    "whole": dict(layers=2, hidden=32, heads=4, intermediate=50, act="gelu", eps=1e-12, labels=5, extra=True),
    "sharded": dict(layers=3, hidden=24, heads=2, intermediate=37, act="gelu_new", eps=1e-5, types=1, labels=3,
                    multi=True, file="sharded"),
    "zip": dict(layers=1, hidden=48, heads=4, intermediate=64, act="relu", eps=1e-12, labels=2, cased=True, file="zip"),
    "legacy": dict(layers=1, hidden=32, heads=1, intermediate=40, act="gelu", eps=1e-12, labels=9, multi=True,
                   gamma=True, views=True, file="legacy"),
    "half": dict(layers=2, hidden=36, heads=3, intermediate=68, act="gelu", eps=1e-5, labels=4, dtype=torch.float16),
    "brain": dict(layers=1, hidden=20, heads=4, intermediate=33, act="gelu_pytorch_tanh", eps=1e-12, labels=2,
                  dtype=torch.bfloat16, file="zip"),
    "mean": dict(layers=1, hidden=24, heads=3, intermediate=48, act="relu", eps=1e-12, labels=3, pooler=False, pool="mean"),
    "first": dict(layers=2, hidden=16, heads=2, intermediate=24, act="gelu", eps=1e-12, labels=3, pooler=False, types=1,
                  cased=True),
}
LARGE = {
    "bert-base": dict(layers=12, hidden=768, heads=12, intermediate=3072, act="gelu", eps=1e-12, labels=40,
                      vocabulary=30522, positions=512),
    "minilm-l6": dict(layers=6, hidden=384, heads=12, intermediate=1536, act="gelu", eps=1e-12, labels=40,
                      vocabulary=30522, positions=512),
}
USUAL = dict(types=2, positions=48, vocabulary=0, multi=False, cased=False, pooler=True, pool="first", extra=False, views=False,
             gamma=False, dtype=torch.float32, file="whole", deviation=0.25)

ACTIVATIONS = {
    "gelu": functional.gelu,
    "gelu_new": lambda x: functional.gelu(x, approximate="tanh"),
    "gelu_pytorch_tanh": lambda x: functional.gelu(x, approximate="tanh"),
    "relu": functional.relu,
}


class Branch(nn.Module):
    """A node of the parameters' names."""

    def __init__(self, /, **children):
        super().__init__()
        for name, child in children.items():
            setattr(self, name, child)


class Classifier(nn.Module):
    """BERT with a dense head; parameters are named as checkpoints name them."""

    def __init__(self, c):
        super().__init__()
        self.c, h, i = c, c["hidden"], c["intermediate"]
        norm = lambda: nn.LayerNorm(h, eps=c["eps"])
        self.bert = Branch(
            embeddings=Branch(word_embeddings=nn.Embedding(c["vocabulary"], h),
                              position_embeddings=nn.Embedding(c["positions"], h),
                              token_type_embeddings=nn.Embedding(c["types"], h), LayerNorm=norm()),
            encoder=Branch(layer=nn.ModuleList(Branch(
                attention=Branch(self=Branch(query=nn.Linear(h, h), key=nn.Linear(h, h), value=nn.Linear(h, h)),
                                 output=Branch(dense=nn.Linear(h, h), LayerNorm=norm())),
                intermediate=Branch(dense=nn.Linear(h, i)),
                output=Branch(dense=nn.Linear(i, h), LayerNorm=norm())) for _ in range(c["layers"]))))
        if c["pooler"]:
            self.bert.pooler = Branch(dense=nn.Linear(h, h))
        self.classifier = nn.Linear(h, c["labels"])

    def forward(self, ids, mask):
        """ids and mask, 1 for a token and 0 for padding, are [texts, tokens]; answers pooled vectors and logits."""
        e = self.bert.embeddings
        x = e.word_embeddings(ids) + e.position_embeddings.weight[: ids.shape[1]] + e.token_type_embeddings.weight[0]
        x = e.LayerNorm(x)
        hidden = torch.zeros(mask.shape, dtype=x.dtype).masked_fill(mask == 0, float("-inf"))[:, None, None, :]
        for layer in self.bert.encoder.layer:
            x = self.layer(layer, x, hidden)
        if self.c["pool"] == "mean":
            weight = mask[:, :, None].to(x.dtype)
            pooled = (x * weight).sum(1) / weight.sum(1)
        else:
            pooled = x[:, 0]
        if self.c["pooler"]:
            pooled = torch.tanh(self.bert.pooler.dense(pooled))
        return pooled, self.classifier(pooled)

    def layer(self, layer, x, hidden):
        heads, a = self.c["heads"], getattr(layer.attention, "self")
        split = lambda y: y.view(*y.shape[:2], heads, -1).transpose(1, 2)
        q, k, v = split(a.query(x)), split(a.key(x)), split(a.value(x))
        context = torch.softmax(q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5 + hidden, -1) @ v
        context = context.transpose(1, 2).reshape(x.shape)
        x = layer.attention.output.LayerNorm(x + layer.attention.output.dense(context))
        inner = ACTIVATIONS[self.c["act"]](layer.intermediate.dense(x))
        return layer.output.LayerNorm(x + layer.output.dense(inner))


def randomize(model, c, seed, outliers):
    """Draws every parameter; the tables too, so that positions and types matter."""
    random = np.random.default_rng(seed)
    channels = random.permutation(c["hidden"])[:6]
    for name, p in model.named_parameters():
        values = random.standard_normal(tuple(p.shape), dtype=np.float32) * np.float32(c["deviation"])
        if name.endswith("LayerNorm.weight"):
            values += 1
            if outliers:
                values[channels] *= random.uniform(10, 20, len(channels)).astype(np.float32)
        p.data = torch.from_numpy(values).to(c["dtype"]).to(torch.float32)


def vocabulary(c):
    words = list(dict.fromkeys(SPECIAL + PIECES + (CAPITALS if c["cased"] else [])))
    return words + [f"w{n:05d}" for n in range(len(words), c["vocabulary"])]


def tokenize(text, entries, cased):
    """WordPiece for texts whose words stand apart by spaces and ASCII punctuation."""
    if not cased:
        text = text.lower().replace("\u00e4", "a")
    words = "".join(f" {c} " if c in ".,:;/-()%\u96ea" else c for c in text).split()
    ids = [entries["[CLS]"]]
    for word in words:
        pieces, at = [], 0
        while at < len(word):
            mark = "##" if at else ""
            end = next((e for e in range(len(word), at, -1) if mark + word[at:e] in entries), None)
            if end is None:
                pieces = [entries["[UNK]"]]
                break
            pieces.append(entries[mark + word[at:end]])
            at = end
        ids += pieces
    return ids + [entries["[SEP]"]]


def measure(model, texts, ids):
    """golden.json's cases."""
    longest = max(map(len, ids))
    padded = torch.tensor([x + [0] * (longest - len(x)) for x in ids])
    mask = torch.tensor([[1] * len(x) + [0] * (longest - len(x)) for x in ids])
    with torch.no_grad():
        pooled, logits = model(padded, mask)
        model.double()
        exact = [model(torch.tensor([x]), torch.ones(1, len(x), dtype=torch.long))[1][0] for x in ids]
        model.float()
    worst = max((a.double() - b).abs().max().item() for a, b in zip(logits, exact))
    print(f"  largest difference of float32 to float64: {worst:.2g}; logits from {logits.min():.2f} to {logits.max():.2f}")
    return [dict(text=t, ids=i, pooled=rounded(p), logits=rounded(l), exact=[float(f"{x:.12g}") for x in e.tolist()])
            for t, i, p, l, e in zip(texts, ids, pooled, logits, exact)]


def rounded(row):
    """The shortest decimals that read as the same float32."""
    return [float(str(np.float32(x))) for x in row]


def state(model, c, seed):
    """The tensors of the checkpoint, as it names them."""
    tensors = {name: p.data.to(c["dtype"]) for name, p in model.named_parameters()}
    if c["gamma"]:
        renamed = lambda n: n.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
        tensors = {renamed(n): t for n, t in tensors.items()}
    if c["extra"]:  # what real checkpoints hold beside the classifier
        random = np.random.default_rng(seed + 1)
        tensors["bert.embeddings.position_ids"] = torch.arange(c["positions"])[None]
        tensors["cls.predictions.bias"] = torch.from_numpy(random.standard_normal(c["vocabulary"], dtype=np.float32))
        tensors["cls.seq_relationship.weight"] = torch.from_numpy(random.standard_normal((2, c["hidden"]), dtype=np.float32))
        tensors["cls.seq_relationship.bias"] = torch.zeros(2)
    if c["views"]:  # tensors that share storage, are transposed in it, or do not begin with it
        tensors["cls.predictions.decoder.weight"] = tensors["bert.embeddings.word_embeddings.weight"]
        tensors["bert.pooler.dense.weight"] = tensors["bert.pooler.dense.weight"].t().contiguous().t()
        tensors["classifier.bias"] = torch.cat([torch.ones(3), tensors["classifier.bias"]])[3:]
    return tensors


DTYPES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64"}


def write_safetensors(path, tensors):
    header, blobs, at = {"__metadata__": {"format": "pt"}}, [], 0
    for name in sorted(tensors):
        t = tensors[name].contiguous()
        blob = (t.view(torch.int16) if t.dtype == torch.bfloat16 else t).numpy().tobytes()
        header[name] = dict(dtype=DTYPES[t.dtype], shape=list(t.shape), data_offsets=[at, at + len(blob)])
        blobs.append(blob)
        at += len(blob)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        f.writelines(blobs)


def write_weights(folder, tensors, file):
    if file == "whole":
        write_safetensors(folder / "model.safetensors", tensors)
    elif file == "sharded":
        names = sorted(tensors)
        parts = [names[: len(names) // 2], names[len(names) // 2:]]
        files = [f"model-{n + 1:05d}-of-00002.safetensors" for n in range(2)]
        for part, f in zip(parts, files):
            write_safetensors(folder / f, {n: tensors[n] for n in part})
        total = sum(t.numel() * t.element_size() for t in tensors.values())
        weight_map = {n: f for part, f in zip(parts, files) for n in part}
        write_json(folder / "model.safetensors.index.json", dict(metadata=dict(total_size=total), weight_map=weight_map))
    else:
        tensors = collections.OrderedDict(tensors)  # as state_dict() answers it
        tensors._metadata = collections.OrderedDict({"": {"version": 1}})
        torch.save(tensors, folder / "pytorch_model.bin", _use_new_zipfile_serialization=file == "zip")


def write_json(path, value):
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def config(c):
    labels = [f"label {n}" for n in range(c["labels"])]
    return dict(
        architectures=["BertForSequenceClassification"], model_type="bert",
        vocab_size=c["vocabulary"], hidden_size=c["hidden"], num_hidden_layers=c["layers"], num_attention_heads=c["heads"],
        intermediate_size=c["intermediate"], hidden_act=c["act"], layer_norm_eps=c["eps"],
        max_position_embeddings=c["positions"], type_vocab_size=c["types"], pad_token_id=0,
        position_embedding_type="absolute", hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.1,
        problem_type="multi_label_classification" if c["multi"] else "single_label_classification",
        torch_dtype=str(c["dtype"]).removeprefix("torch."),
        id2label={str(n): l for n, l in enumerate(labels)}, label2id={l: n for n, l in enumerate(labels)})


def write_model(folder, c, seed, texts, outliers=False):
    print(folder)
    folder.mkdir(parents=True, exist_ok=True)
    words = vocabulary(c)
    c["vocabulary"] = len(words)
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    write_json(folder / "config.json", config(c))
    write_json(folder / "tokenizer_config.json", dict(tokenizer_class="BertTokenizer", do_lower_case=not c["cased"]))
    model = Classifier(c)
    randomize(model, c, seed, outliers)
    texts = texts(words)
    entries = {w: n for n, w in enumerate(words)}
    ids = [tokenize(t, entries, c["cased"]) for t in texts]
    write_weights(folder, state(model, c, seed), c["file"])
    cases = measure(model.eval(), texts, ids)
    write_json_lines(folder / "golden.json", dict(torch=torch.__version__, pool=c["pool"], pooler=c["pooler"]), cases)


def write_json_lines(path, head, cases):
    """A case a line."""
    lines = ",\n".join(json.dumps(x, ensure_ascii=False, separators=(",", ":")) for x in cases)
    path.write_text(json.dumps(head, ensure_ascii=False)[:-1] + ', "cases": [\n' + lines + "\n]}\n")


def long_texts(words):
    """Texts of 1 to 510 tokens in words of the large vocabulary."""
    random = np.random.default_rng(7)
    return [" ".join(words[n] for n in random.integers(len(words) - 20000, len(words), size)) for size in (1, 14, 126, 510)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--large", type=pathlib.Path, metavar="DIR", help="write models of BERT-base and MiniLM-L6 shape there")
    parser.add_argument("--outliers", action="store_true", help="plant outlier channels in the large models")
    a = parser.parse_args()
    torch.set_num_threads(1)
    if a.large:
        for seed, (name, shape) in enumerate(LARGE.items()):
            write_model(a.large / name, {**USUAL, **shape, "deviation": 0.05}, 100 + seed, long_texts, a.outliers)
        return
    for seed, (name, shape) in enumerate(SHAPES.items()):
        write_model(OUT / name, {**USUAL, **shape}, 1 + seed, lambda words: TEXTS)


if __name__ == "__main__":
    main()
