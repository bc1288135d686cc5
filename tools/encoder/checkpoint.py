"""Checkpoints: one safetensors stream cut into parts of at most 16 MB, and state.json. `cat part-*` is the stream."""
from __future__ import annotations

import hashlib
import json
import pathlib
import shutil

import torch

import tensorfile

PART_BYTES = 16_000_000


def save(directory: pathlib.Path, tensors: dict[str, torch.Tensor], state: dict[str, object]) -> None:
    """Replaces the checkpoint in one step: whenever it is interrupted, a whole one is left."""
    new, old = directory.with_suffix(".new"), directory.with_suffix(".old")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    stream = tensorfile.encode(tensors)
    parts = []
    for i, at in enumerate(range(0, len(stream), PART_BYTES)):
        part = stream[at : at + PART_BYTES]
        parts.append({"file": f"part-{i:03d}", "sha256": hashlib.sha256(part).hexdigest()})
        (new / parts[-1]["file"]).write_bytes(part)
    (new / "state.json").write_text(json.dumps({**state, "parts": parts}, indent=2) + "\n", encoding="utf-8")
    shutil.rmtree(old, ignore_errors=True)
    if directory.exists():
        directory.rename(old)
    new.rename(directory)
    shutil.rmtree(old, ignore_errors=True)


def load(directory: pathlib.Path) -> tuple[dict[str, torch.Tensor], dict] | None:
    """The tensors and the state; None where there is no checkpoint."""
    found = next((d for d in (directory, directory.with_suffix(".old")) if (d / "state.json").exists()), None)
    if found is None:
        return None
    state = json.loads((found / "state.json").read_text(encoding="utf-8"))
    parts = []
    for entry in state.pop("parts"):
        path = found / entry["file"]
        part = path.read_bytes() if path.exists() else b""
        if hashlib.sha256(part).hexdigest() != entry["sha256"]:
            raise SystemExit(f"{path} is missing or damaged; remove {found} to begin anew")
        parts.append(part)
    return tensorfile.decode(b"".join(parts)), state
