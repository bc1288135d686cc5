"""Safetensors files (https://huggingface.co/docs/safetensors), without the library."""
from __future__ import annotations

import json
import pathlib
import struct

import numpy as np
import torch

TYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
         "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8, "BOOL": torch.bool}
NAMES = {dtype: name for name, dtype in TYPES.items()}


def encode(tensors: dict[str, torch.Tensor]) -> bytes:
    """The bytes of a file; metadata names the framework, which transformers asks for."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    parts, end = [], 0
    for name, t in tensors.items():
        part = raw(t)
        header[name] = {"dtype": NAMES[t.dtype], "shape": list(t.shape), "data_offsets": [end, end + len(part)]}
        parts.append(part)
        end += len(part)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([struct.pack("<Q", len(text)), text, *parts])


def raw(t: torch.Tensor) -> bytes:
    t = t.detach().cpu().contiguous()
    if t.dtype == torch.bfloat16:  # numpy has no such type
        t = t.view(torch.int16)
    return t.numpy().tobytes()


def decode(data: bytes) -> dict[str, torch.Tensor]:
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    header.pop("__metadata__", None)
    out = {}
    for name, entry in header.items():
        start, end = entry["data_offsets"]
        flat = torch.from_numpy(np.frombuffer(data, np.uint8, end - start, 8 + size + start).copy())
        out[name] = flat.view(TYPES[entry["dtype"]]).reshape(entry["shape"])
    return out


def read(path: pathlib.Path) -> dict[str, torch.Tensor]:
    try:
        return decode(path.read_bytes())
    except (struct.error, ValueError, KeyError, RuntimeError) as e:
        raise SystemExit(f"{path} is no safetensors file, or is cut short: {e}")


def write_sharded(directory: pathlib.Path, stem: str, tensors: dict[str, torch.Tensor], limit: int) -> None:
    """STEM.safetensors, or several files of at most limit bytes and an index, as save_pretrained
    writes them. A tensor larger than the limit has a file of its own."""
    shards: list[dict[str, torch.Tensor]] = [{}]
    size = 0
    for name, t in tensors.items():
        bytes_ = t.numel() * t.element_size()
        if shards[-1] and size + bytes_ > limit:
            shards.append({})
            size = 0
        shards[-1][name] = t
        size += bytes_
    for old in directory.glob(f"{stem}*.safetensors*"):
        old.unlink()
    if len(shards) == 1:
        (directory / f"{stem}.safetensors").write_bytes(encode(shards[0]))
        return
    files = {}
    for i, shard in enumerate(shards):
        file = f"{stem}-{i + 1:05d}-of-{len(shards):05d}.safetensors"
        (directory / file).write_bytes(encode(shard))
        files.update({name: file for name in shard})
    total = sum(t.numel() * t.element_size() for t in tensors.values())
    index = {"metadata": {"total_size": total}, "weight_map": files}
    (directory / f"{stem}.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
