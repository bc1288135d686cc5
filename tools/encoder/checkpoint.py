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


def of_training(model: torch.nn.Module, optimizer: torch.optim.Optimizer, names: list[str]) -> dict[str, torch.Tensor]:
    """A model and AdamW's two moments; names are the parameters in the optimizer's order."""
    moments = optimizer.state_dict()["state"]
    tensors = {f"model.{name}": t for name, t in model.state_dict().items()}
    for i, name in enumerate(names):
        if i in moments:  # not before the first step
            tensors[f"first.{name}"], tensors[f"second.{name}"] = moments[i]["exp_avg"], moments[i]["exp_avg_sq"]
    return tensors


def restore(tensors: dict[str, torch.Tensor], step: int, model: torch.nn.Module, optimizer: torch.optim.Optimizer,
            names: list[str]) -> None:
    """Puts back what of_training took, after that many steps."""
    model.load_state_dict({name.removeprefix("model."): t for name, t in tensors.items() if name.startswith("model.")})
    moments = {i: {"step": torch.tensor(float(step)), "exp_avg": tensors[f"first.{name}"], "exp_avg_sq": tensors[f"second.{name}"]}
               for i, name in enumerate(names) if f"first.{name}" in tensors}
    optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})
