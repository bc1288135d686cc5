"""What to compute on, and in which numbers."""
from __future__ import annotations

import argparse
import pathlib

import torch


def add_arguments(p: argparse.ArgumentParser) -> None:
    p.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="cpu or cuda (default %(default)s)")
    p.add_argument("--precision", choices=("auto", "float32", "bfloat16"), default="auto",
                   help="of activations; auto is bfloat16 where the device multiplies it (default %(default)s)")
    p.add_argument("--threads", type=int, default=2, help="on the CPU (default %(default)s)")


def choose(a: argparse.Namespace) -> tuple[torch.device, torch.dtype]:
    torch.set_num_threads(a.threads)
    device = torch.device(a.device)
    if a.precision != "auto":
        return device, getattr(torch, a.precision)
    if device.type == "cuda":
        return device, torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    cpu = pathlib.Path("/proc/cpuinfo")
    flags = cpu.read_text(encoding="utf-8").split() if cpu.exists() else []
    return device, torch.bfloat16 if "avx512_bf16" in flags or "amx_bf16" in flags else torch.float32
