"""The machine that figures belong to, and how torch is set on it."""

from __future__ import annotations

import importlib.metadata
import os


def describe_machine() -> str:
    """One line: processor, cores, versions, and how busy the machine is."""
    from workers import fingerprint

    device = fingerprint("cpu", threads=1)
    versions = ", ".join(
        f"{name} {importlib.metadata.version(name)}" for name in ("transformers", "optuna", "sqlalchemy")
    )
    return (
        f"{device.cpu}, {device.logical_cores} cores, {device.memory_bytes / 2**30:.0f} GiB, {device.os}, "
        f"Python {device.python}, torch {device.torch} on 1 thread, {versions}, "
        f"load {os.getloadavg()[0]:.1f}"
    )


def use_one_thread() -> None:
    """One thread computes, so that its CPU time is what the call would take on an idle machine."""
    import torch

    torch.set_num_threads(1)
