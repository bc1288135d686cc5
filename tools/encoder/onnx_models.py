#!/usr/bin/python3
"""Writes BERT classifiers with random weights twice: for Bedside's importer and for ONNX Runtime.

    /usr/bin/python3 tools/encoder/onnx_models.py [--out out/bench-encoder] [NAME ...]

needs numpy and onnx (Debian: python3-onnx); torch is not needed. NAME is bert-base or minilm-l6, then perhaps

    -pooled     the head is the identity: logits are the pooler's vectors
    -first      there is no pooler, and the head is the identity: logits are the vectors of [CLS]

and then perhaps

    -outliers   six hidden channels lie 10 to 20 off zero behind every layer norm, where others have a deviation of 1,
                and vary 2 to 4 times as much: what trained encoders have, https://arxiv.org/abs/2105.06990

Everything is drawn from fixed seeds: weights of deviation 0.05, gammas 1 + 0.05 n. Each model becomes a directory:

    checkpoint/      config.json, tokenizer_config.json, vocab.txt of invented words, model.safetensors: Hugging Face's layout
    calibration.txt  a note of invented words a line, other words than the cases have
    model.onnx       int8, in the form that ONNX Runtime's transformer optimizer and quantizer give (see Graph)
    float32.onnx     the same before the quantizer
    cases.json       written last: a directory with it is complete, and is left alone
      notes   a note for each number of tokens, [CLS] and [SEP] counted: text, ids
      cases   notes of 128 tokens with their logits in float64: text, ids, logits
"""
import argparse
import hashlib
import itertools
import json
import math
import pathlib
import re
import struct

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

ROOT = pathlib.Path(__file__).parents[2]

SHAPES = {
    "bert-base": dict(layers=12, hidden=768, heads=12, intermediate=3072, vocabulary=28996),
    "minilm-l6": dict(layers=6, hidden=384, heads=12, intermediate=1536, vocabulary=30522),
}
POSITIONS, TYPES, LABELS, EPSILON = 512, 2, 40, 1e-12
DEVIATION = 0.05
TOKENS = (128, 256, 512)
CASE_TOKENS, CASES = 128, 8
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def shape_of(name):
    found = re.fullmatch(f"({'|'.join(SHAPES)})(-pooled|-first)?(-outliers)?", name)
    if not found:
        raise SystemExit(f"no model {name}: want {' or '.join(SHAPES)}, then perhaps -pooled or -first, then perhaps -outliers")
    base, read, outliers = found.groups()
    shape = SHAPES[base]
    return shape | dict(labels=shape["hidden"] if read else LABELS, identity=bool(read), pooler=read != "-first", outliers=bool(outliers))


def draw(c, seed):
    """The parameters by name. Dense weights are [in, out]."""
    random = np.random.default_rng(seed)
    normal = lambda *shape: random.standard_normal(shape, dtype=np.float32) * np.float32(DEVIATION)
    h, i, p = c["hidden"], c["intermediate"], {}

    def dense(name, ins, outs):
        p[name + ".weight"], p[name + ".bias"] = normal(ins, outs), normal(outs)

    def norm(name):
        p[name + ".gamma"], p[name + ".beta"] = 1 + normal(h), normal(h)

    p["word"], p["position"], p["type"] = normal(c["vocabulary"], h), normal(POSITIONS, h), normal(TYPES, h)
    norm("norm")
    for l in range(c["layers"]):
        for name in ("query", "key", "value", "output"):
            dense(f"{l}.{name}", h, h)
        norm(f"{l}.output.norm")
        dense(f"{l}.up", h, i)
        dense(f"{l}.down", i, h)
        norm(f"{l}.down.norm")
    if c["pooler"]:
        dense("pooler", h, h)
    dense("head", h, c["labels"])
    if c["identity"]:
        p["head.weight"], p["head.bias"] = np.eye(h, dtype=np.float32), np.zeros(h, np.float32)
    if c["outliers"]:
        # The same channels in every norm. By larger gammas alone, those channels would feed themselves from layer to
        # layer until the network amplifies any rounding at all.
        channels = random.permutation(h)[:6]
        factors, offsets = random.uniform(2, 4, 6), random.uniform(10, 20, 6) * random.choice((-1, 1), 6)
        for name in p:
            if name.endswith(".gamma"):
                p[name][channels] *= factors.astype(np.float32)
            if name.endswith(".beta"):
                p[name][channels] += offsets.astype(np.float32)
    return p


def erf(x):
    return np.frompyfunc(math.erf, 1, 1)(x).astype(x.dtype)


def forward(c, p, ids):
    """The logits of one text, in float64."""
    p = lambda name, p=p: p[name].astype(np.float64)
    heads, rows = c["heads"], len(ids)

    def norm(x, name):
        x = x - x.mean(1, keepdims=True)
        return x / np.sqrt((x * x).mean(1, keepdims=True) + EPSILON) * p(name + ".gamma") + p(name + ".beta")

    dense = lambda x, name: x @ p(name + ".weight") + p(name + ".bias")
    split = lambda x: x.reshape(rows, heads, -1).transpose(1, 0, 2)
    x = norm(p("word")[ids] + p("position")[:rows] + p("type")[0], "norm")
    for l in range(c["layers"]):
        q, k, v = (split(dense(x, f"{l}.{name}")) for name in ("query", "key", "value"))
        scores = q @ k.transpose(0, 2, 1) / math.sqrt(q.shape[-1])
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        context = (scores / scores.sum(-1, keepdims=True) @ v).transpose(1, 0, 2).reshape(rows, -1)
        x = norm(x + dense(context, f"{l}.output"), f"{l}.output.norm")
        y = dense(x, f"{l}.up")
        x = norm(x + dense(y / 2 * (1 + erf(y / math.sqrt(2))), f"{l}.down"), f"{l}.down.norm")
    x = x[:1]
    if c["pooler"]:
        x = np.tanh(dense(x, "pooler"))
    return dense(x, "head")[0]


def words(count):
    """Invented words that no note holds by chance."""
    syllables = ["".join(s) for s in itertools.product("bdfgklmnprstvz", "aeiou")]
    return ["".join(s) for s, _ in zip(itertools.product(syllables, repeat=3), range(count))]


def vocabulary(size):
    """Token by token, and the ids of its words. A word between spaces is one token."""
    letters = [chr(c) for c in range(ord("a"), ord("z") + 1)] + [chr(c) for c in range(ord("0"), ord("9") + 1)]
    first = SPECIAL + letters + ["##" + c for c in letters] + list(".,:;/-()%")
    return first + words(size - len(first)), range(len(first), size)


def note(tokens, among, random, count):
    """A text of count tokens, [CLS] and [SEP] counted, and their ids."""
    ids = random.choice(among, count - 2)
    return {"text": " ".join(tokens[i] for i in ids), "ids": [SPECIAL.index("[CLS]"), *ids.tolist(), SPECIAL.index("[SEP]")]}


class Graph:
    """An ONNX graph in the making, in int8.

    Its form is what onnxruntime.transformers.optimizer makes of an exported BERT (com.microsoft's attention, skip layer
    norm and GELU in one operation each) after onnxruntime.quantization.quantize_dynamic with int8 weights of one scale
    an output: inputs of dense layers are quantized on the fly, a scale a tensor, to 8 bits. Weights use all of 8 bits: the
    16-bit sums that would overflow on some CPUs do not exist in WebAssembly.
    """

    def __init__(self):
        self.nodes, self.constants, self.quantized = [], [], {}

    def op(self, kind, inputs, outputs=1, named=None, **attributes):
        number = len(self.nodes)
        names = [named] if named else [f"{kind}_{number}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, inputs, names, name=f"{kind}_{number}", **attributes))
        return names if outputs > 1 else names[0]

    def fused(self, kind, inputs, **attributes):
        return self.op(kind, inputs, domain="com.microsoft", **attributes)

    def constant(self, values):
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def scalar(self, value):
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.array(value), name))
        return name

    def quantize(self, x):
        """8-bit x, its scale and its zero point; once for all who read x."""
        if x not in self.quantized:
            self.quantized[x] = self.op("DynamicQuantizeLinear", [x], 3)
        return self.quantized[x]

    def weights(self, w):
        scales = (np.abs(w).max(0) / 127).astype(np.float32)
        q = np.rint(w / scales).clip(-127, 127).astype(np.int8)
        return self.constant(q), self.constant(scales), self.constant(np.zeros(w.shape[1], np.int8))

    def matmul(self, x, w):
        x, x_scale, x_zero = self.quantize(x)
        w, w_scale, w_zero = self.weights(w)
        sums = self.op("Cast", [self.op("MatMulInteger", [x, w, x_zero, w_zero])], to=TensorProto.FLOAT)
        return self.op("Mul", [sums, self.op("Mul", [x_scale, w_scale])])

    def attention(self, x, w, bias, mask, heads):
        x, x_scale, x_zero = self.quantize(x)
        w, w_scale, w_zero = self.weights(w)
        return self.fused("QAttention", [x, w, self.constant(bias), x_scale, w_scale, mask, x_zero, w_zero], num_heads=heads)

    def table(self, rows, indices):
        scale = np.float32(np.abs(rows).max() / 127)
        q = np.rint(rows / scale).clip(-127, 127).astype(np.int8)
        return self.op("DequantizeLinear", [self.op("Gather", [self.constant(q), indices]), self.scalar(scale), self.scalar(np.int8(0))])


class FloatGraph(Graph):
    """Likewise with float32 weights, as the quantizer gets it."""

    def matmul(self, x, w):
        return self.op("MatMul", [x, self.constant(w)])

    def attention(self, x, w, bias, mask, heads):
        # Without the mask: with one, onnxruntime-web has attention on the processor. No note here has padding.
        return self.fused("Attention", [x, self.constant(w), self.constant(bias)], num_heads=heads)

    def table(self, rows, indices):
        return self.op("Gather", [self.constant(rows), indices])


def graph(g, c, p):
    const = lambda name: g.constant(p[name])

    def skip(x, residual, layer):
        """norm(residual + x·weight + bias)"""
        operands = [g.matmul(x, p[layer + ".weight"]), residual, const(layer + ".norm.gamma"), const(layer + ".norm.beta"), const(layer + ".bias")]
        return g.fused("SkipLayerNormalization", operands, epsilon=EPSILON)

    rows = g.op("Gather", [g.op("Shape", ["input_ids"]), g.constant(np.array([1]))], axis=0)
    places = g.op("Slice", [g.constant(np.arange(POSITIONS)[None]), g.constant(np.array([0])), rows, g.constant(np.array([1]))])
    x = g.op("Add", [g.op("Add", [g.table(p["word"], "input_ids"), g.table(p["type"], "token_type_ids")]), g.table(p["position"], places)])
    x = g.op("LayerNormalization", [x, const("norm.gamma"), const("norm.beta")], axis=-1, epsilon=EPSILON)
    mask = g.op("Cast", ["attention_mask"], to=TensorProto.INT32)
    for l in range(c["layers"]):
        beside = lambda what: np.concatenate([p[f"{l}.{name}.{what}"] for name in ("query", "key", "value")], -1)
        context = g.attention(x, beside("weight"), beside("bias"), mask, c["heads"])
        x = skip(context, x, f"{l}.output")
        inner = g.fused("BiasGelu", [g.matmul(x, p[f"{l}.up.weight"]), const(f"{l}.up.bias")])
        x = skip(inner, x, f"{l}.down")
    x = g.op("Gather", [x, g.scalar(np.int64(0))], axis=1)
    if c["pooler"]:
        x = g.op("Tanh", [g.op("Add", [g.matmul(x, p["pooler.weight"]), const("pooler.bias")])])
    # The head stays float, so that the identity is one.
    g.op("Add", [g.op("MatMul", [x, const("head.weight")]), const("head.bias")], named="logits")
    return g


def write_onnx(path, g, c, p):
    graph(g, c, p)
    tensor = lambda name, kind, *shape: helper.make_tensor_value_info(name, kind, ["batch", *shape])
    inputs = [tensor(name, TensorProto.INT64, "tokens") for name in ("input_ids", "attention_mask", "token_type_ids")]
    whole = helper.make_graph(g.nodes, "bert", inputs, [tensor("logits", TensorProto.FLOAT, c["labels"])], g.constants)
    model = helper.make_model(whole, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)])
    model.ir_version = 8
    path.write_bytes(model.SerializeToString())


def checkpoint(c, p):
    """The parameters under the names of a BertForSequenceClassification, dense weights [out, in]."""
    own = {"word": "word_embeddings", "position": "position_embeddings", "type": "token_type_embeddings"}
    named = {f"bert.embeddings.{theirs}.weight": p[ours] for ours, theirs in own.items()}

    def dense(to, name):
        named[to + ".weight"], named[to + ".bias"] = p[name + ".weight"].T, p[name + ".bias"]

    def norm(to, name):
        named[to + ".LayerNorm.weight"], named[to + ".LayerNorm.bias"] = p[name + ".gamma"], p[name + ".beta"]

    norm("bert.embeddings", "norm")
    for l in range(c["layers"]):
        layer = f"bert.encoder.layer.{l}."
        for name in ("query", "key", "value"):
            dense(f"{layer}attention.self.{name}", f"{l}.{name}")
        dense(layer + "attention.output.dense", f"{l}.output")
        norm(layer + "attention.output", f"{l}.output.norm")
        dense(layer + "intermediate.dense", f"{l}.up")
        dense(layer + "output.dense", f"{l}.down")
        norm(layer + "output", f"{l}.down.norm")
    if "pooler.weight" in p:
        dense("bert.pooler.dense", "pooler")
    dense("classifier", "head")
    return named


def write_safetensors(path, tensors):
    """https://huggingface.co/docs/safetensors: length of the header, header, tensors without gaps."""
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for name, t in tensors.items():
        header[name] = {"dtype": "F32", "shape": list(t.shape), "data_offsets": [at, at + t.nbytes]}
        at += t.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for t in tensors.values():
            f.write(np.ascontiguousarray(t, "<f4").tobytes())


def write_checkpoint(directory, c, p, tokens):
    directory.mkdir(exist_ok=True)
    config = {
        "architectures": ["BertForSequenceClassification"], "model_type": "bert", "torch_dtype": "float32",
        "num_hidden_layers": c["layers"], "hidden_size": c["hidden"], "num_attention_heads": c["heads"],
        "intermediate_size": c["intermediate"], "hidden_act": "gelu", "layer_norm_eps": EPSILON,
        "max_position_embeddings": POSITIONS, "type_vocab_size": TYPES, "vocab_size": c["vocabulary"],
        "position_embedding_type": "absolute", "pad_token_id": 0,
        "id2label": {str(i): f"label {i}" for i in range(c["labels"])},
        "label2id": {f"label {i}": i for i in range(c["labels"])},
        "problem_type": "single_label_classification",
    }
    (directory / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    (directory / "tokenizer_config.json").write_text('{"do_lower_case": true, "tokenizer_class": "BertTokenizer"}\n')
    (directory / "vocab.txt").write_text("".join(t + "\n" for t in tokens))
    write_safetensors(directory / "model.safetensors", checkpoint(c, p))


def write(directory, name):
    made = hashlib.sha256(pathlib.Path(__file__).read_bytes()).hexdigest()
    done = directory / "cases.json"
    if done.exists() and json.loads(done.read_text())["made_by"] == made:
        print(f"{directory} is there already")
        return
    done.unlink(missing_ok=True)
    directory.mkdir(parents=True, exist_ok=True)
    c = shape_of(name)
    p = draw(c, seed=1)
    tokens, among = vocabulary(c["vocabulary"])
    write_checkpoint(directory / "checkpoint", c, p, tokens)
    write_onnx(directory / "model.onnx", Graph(), c, p)
    write_onnx(directory / "float32.onnx", FloatGraph(), c, p)
    random = np.random.default_rng(2)
    notes = {n: note(tokens, among, random, n) for n in TOKENS}
    cases = []
    for _ in range(CASES):
        case = note(tokens, among, random, CASE_TOKENS)
        cases.append(case | {"logits": forward(c, p, case["ids"]).tolist()})
    calibration = (note(tokens, among, random, 64)["text"] + "\n" for _ in range(8))
    (directory / "calibration.txt").write_text("".join(calibration))
    done.write_text(json.dumps({"made_by": made, "notes": notes, "cases": cases}) + "\n")
    print(f"wrote {directory}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "out" / "bench-encoder")
    parser.add_argument("names", nargs="*", metavar="NAME", default=list(SHAPES))
    args = parser.parse_args()
    for name in args.names:
        write(args.out / name, name)


if __name__ == "__main__":
    main()
