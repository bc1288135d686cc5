"""BERT (Devlin et al. 2018) as Bedside's engine computes it, in Hugging Face's names and files."""
from __future__ import annotations

import dataclasses
import json
import pathlib

import torch
from torch import nn
from torch.nn import functional

import tensorfile

MASKED_LM = "BertForMaskedLM"
CLASSIFIER = "BertForSequenceClassification"
SHARD_BYTES = 16 << 20


@dataclasses.dataclass
class Shape:
    """The fields of config.json that say what is computed."""

    vocab_size: int
    num_hidden_layers: int = 4
    hidden_size: int = 256
    num_attention_heads: int = 4
    intermediate_size: int = 1024
    max_position_embeddings: int = 128
    type_vocab_size: int = 2
    hidden_act: str = "gelu"
    layer_norm_eps: float = 1e-12
    hidden_dropout_prob: float = 0.1

    @classmethod
    def read(cls, directory: pathlib.Path) -> "Shape":
        config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
        kind = config.get("model_type", "bert")
        if kind != "bert":
            raise SystemExit(f"{directory}/config.json: model_type {kind!r} is not supported, only 'bert'")
        return cls(**{f.name: config[f.name] for f in dataclasses.fields(cls) if f.name in config})


class Dense(nn.Linear):
    """Weights stay float32; the product is computed in the type of what comes in."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.linear(x, self.weight.to(x.dtype), self.bias.to(x.dtype))


class Norm(nn.LayerNorm):
    """In float32, which on a CPU is quicker too."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.float()).to(x.dtype)


class Node(nn.Module):
    """A step in the parameters' names."""

    def __init__(self, /, **children: nn.Module):
        super().__init__()
        for name, child in children.items():
            self.add_module(name, child)


ACTIVATIONS = {
    "gelu": functional.gelu,
    "gelu_new": lambda x: functional.gelu(x, approximate="tanh"),
    "gelu_pytorch_tanh": lambda x: functional.gelu(x, approximate="tanh"),
    "relu": functional.relu,
}


class Embeddings(nn.Module):
    def __init__(self, s: Shape):
        super().__init__()
        self.word_embeddings = nn.Embedding(s.vocab_size, s.hidden_size)
        self.position_embeddings = nn.Embedding(s.max_position_embeddings, s.hidden_size)
        self.token_type_embeddings = nn.Embedding(s.type_vocab_size, s.hidden_size)
        self.LayerNorm = Norm(s.hidden_size, eps=s.layer_norm_eps)

    def forward(self, ids: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        x = self.word_embeddings(ids) + self.position_embeddings.weight[: ids.shape[1]] + self.token_type_embeddings.weight[0]
        return self.LayerNorm(x).to(dtype)


class Layer(nn.Module):
    def __init__(self, s: Shape):
        super().__init__()
        h, i, eps = s.hidden_size, s.intermediate_size, s.layer_norm_eps
        self.heads, self.drop = s.num_attention_heads, s.hidden_dropout_prob
        self.activation = ACTIVATIONS[s.hidden_act]
        self.attention = Node(self=Node(query=Dense(h, h), key=Dense(h, h), value=Dense(h, h)),
                              output=Node(dense=Dense(h, h), LayerNorm=Norm(h, eps=eps)))
        self.intermediate = Node(dense=Dense(h, i))
        self.output = Node(dense=Dense(i, h), LayerNorm=Norm(h, eps=eps))

    def forward(self, x: torch.Tensor, hidden: torch.Tensor | None) -> torch.Tensor:
        a = self.attention.output
        x = a.LayerNorm(x + self.dropped(a.dense(self.attend(x, hidden))))
        inner = self.activation(self.intermediate.dense(x))
        return self.output.LayerNorm(x + self.dropped(self.output.dense(inner)))

    def dropped(self, x: torch.Tensor) -> torch.Tensor:
        return functional.dropout(x, self.drop, self.training) if self.drop else x

    def attend(self, x: torch.Tensor, hidden: torch.Tensor | None) -> torch.Tensor:
        """hidden is what is added to scores: -inf for padding, None where there is none."""
        parts = [getattr(self.attention.self, name) for name in ("query", "key", "value")]
        weight, bias = torch.cat([p.weight for p in parts]), torch.cat([p.bias for p in parts])
        joint = functional.linear(x, weight.to(x.dtype), bias.to(x.dtype))
        n, length, _ = x.shape
        q, k, v = joint.view(n, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        if hasattr(functional, "scaled_dot_product_attention"):
            context = functional.scaled_dot_product_attention(q, k, v, attn_mask=hidden)
        else:
            scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
            context = torch.softmax(scores if hidden is None else scores + hidden, -1) @ v
        return context.transpose(1, 2).reshape(x.shape)


class Bert(nn.Module):
    """The encoder: ids [sequences, tokens] to vectors [sequences, tokens, hidden]."""

    def __init__(self, s: Shape, pooler: bool = False):
        super().__init__()
        self.embeddings = Embeddings(s)
        self.encoder = Node(layer=nn.ModuleList(Layer(s) for _ in range(s.num_hidden_layers)))
        if pooler:
            self.pooler = Node(dense=Dense(s.hidden_size, s.hidden_size))
        self.drop = s.hidden_dropout_prob

    def forward(self, ids: torch.Tensor, mask: torch.Tensor | None = None, dtype: torch.dtype = torch.float32) -> torch.Tensor:
        """mask is 1 for tokens and 0 for padding; None where there is no padding."""
        x = self.embeddings(ids, dtype)
        if self.drop:
            x = functional.dropout(x, self.drop, self.training)
        hidden = None
        if mask is not None:
            hidden = torch.zeros(mask.shape, dtype=dtype, device=ids.device).masked_fill(mask == 0, float("-inf"))[:, None, None, :]
        for layer in self.encoder.layer:
            x = layer(x, hidden)
        return x


class MaskedLM(nn.Module):
    """The encoder with BERT's head for masked words, whose matrix is the table of words."""

    def __init__(self, s: Shape):
        super().__init__()
        self.shape = s
        self.bert = Bert(s)
        h = s.hidden_size
        self.cls = Node(predictions=Node(transform=Node(dense=Dense(h, h), LayerNorm=Norm(h, eps=s.layer_norm_eps))))
        self.cls.predictions.bias = nn.Parameter(torch.zeros(s.vocab_size))
        self.apply(initialize)

    def words(self, rows: torch.Tensor) -> torch.Tensor:
        """Logits over the vocabulary of vectors [rows, hidden]."""
        p = self.cls.predictions
        x = p.transform.LayerNorm(functional.gelu(p.transform.dense(rows)))
        return functional.linear(x, self.bert.embeddings.word_embeddings.weight.to(x.dtype), p.bias.to(x.dtype))


class Classifier(nn.Module):
    """The encoder with a dense head on the first row, put through the pooler, or on the mean of the rows."""

    def __init__(self, s: Shape, labels: int, pool: str = "first", pooler: bool = True):
        super().__init__()
        self.shape, self.pool = s, pool
        self.bert = Bert(s, pooler)
        self.classifier = Dense(s.hidden_size, labels)
        self.apply(initialize)

    def rows(self, ids: torch.Tensor, mask: torch.Tensor, dtype: torch.dtype = torch.float32) -> torch.Tensor:
        """A vector for each window, float32."""
        x = self.bert(ids, mask, dtype).float()
        if self.pool == "first":
            return x[:, 0]
        weight = mask[:, :, None].float()
        return (x * weight).sum(1) / weight.sum(1)

    def answer(self, rows: torch.Tensor, note: torch.Tensor, notes: int) -> torch.Tensor:
        """Logits by note, of the mean over the windows' pooled vectors; note[i] is whose window i is."""
        if hasattr(self.bert, "pooler"):
            rows = torch.tanh(self.bert.pooler.dense(rows))
        rows = functional.dropout(rows, self.shape.hidden_dropout_prob, self.training)
        count = torch.bincount(note, minlength=notes)[:, None]
        return self.classifier(rows.new_zeros(notes, rows.shape[1]).index_add(0, note, rows) / count)


def initialize(module: nn.Module) -> None:
    if isinstance(module, (nn.Linear, nn.Embedding)):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)


def save(directory: pathlib.Path, model: MaskedLM | Classifier, vocabulary: pathlib.Path, tokenizer: dict[str, object],
         **more: object) -> None:
    """Writes a Hugging Face directory; `more` are further fields of config.json, such as id2label."""
    directory.mkdir(parents=True, exist_ok=True)
    kind = MASKED_LM if isinstance(model, MaskedLM) else CLASSIFIER
    config = {"architectures": [kind], "model_type": "bert", **dataclasses.asdict(model.shape),
              "attention_probs_dropout_prob": 0.0, "initializer_range": 0.02, "pad_token_id": 0,
              "position_embedding_type": "absolute", "torch_dtype": "float32", **more}
    (directory / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    (directory / "tokenizer_config.json").write_text(json.dumps(tokenizer, indent=2) + "\n", encoding="utf-8")
    if vocabulary.resolve() != (directory / "vocab.txt").resolve():
        (directory / "vocab.txt").write_bytes(vocabulary.read_bytes())
    tensors = {name: t.detach().float().cpu() for name, t in model.state_dict().items()}
    tensorfile.write_sharded(directory, "model", tensors, SHARD_BYTES)


def load(directory: pathlib.Path, model: MaskedLM | Classifier) -> list[str]:
    """Fills the model from a Hugging Face directory; names the parameters it has nothing for."""
    found = {spelling(name): t for name, t in read_weights(directory).items()}
    missing = []
    with torch.no_grad():
        for name, parameter in model.state_dict().items():
            stored = found.get(spelling(name))
            if stored is None or name.startswith("classifier.") and stored.shape != parameter.shape:
                missing.append(name)
            elif stored.shape != parameter.shape:
                raise SystemExit(f"{directory}: {name} is {list(stored.shape)}, config.json says {list(parameter.shape)}")
            else:
                parameter.copy_(stored)
    return missing


def spelling(name: str) -> str:
    """A parameter's name without what checkpoints put before it, and with today's names of layer norms."""
    for prefix in ("module.", "bert."):
        name = name[len(prefix):] if name.startswith(prefix) else name
    return name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")


def read_weights(directory: pathlib.Path) -> dict[str, torch.Tensor]:
    """All tensors of model.safetensors or pytorch_model.bin, whole or in several files."""
    for name, read in (("model.safetensors", tensorfile.read), ("pytorch_model.bin", read_pickle)):
        index = directory / f"{name}.index.json"
        files = [name] if (directory / name).exists() else []
        if not files and index.exists():
            files = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        if files:
            return {key: t for file in files for key, t in read(directory / file).items()}
    raise SystemExit(f"{directory} has no weights: want model.safetensors or pytorch_model.bin")


def read_pickle(path: pathlib.Path) -> dict[str, torch.Tensor]:
    return torch.load(path, map_location="cpu", weights_only=True)
