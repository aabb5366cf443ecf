"""The machine that figures belong to, and how torch is set on it."""

from __future__ import annotations

import ctypes
import importlib.metadata
import os

_M_MMAP_THRESHOLD = -3  # malloc.h


def describe_machine(threads: int = 1) -> str:
    """One line: processor, cores, versions, and how busy the machine is."""
    from workers import fingerprint

    device = fingerprint("cpu", threads=1)
    versions = ", ".join(
        f"{name} {importlib.metadata.version(name)}" for name in ("transformers", "optuna", "sqlalchemy")
    )
    return (
        f"{device.cpu}, {device.logical_cores} cores, {device.memory_bytes / 2**30:.0f} GiB, {device.os}, "
        f"Python {device.python}, torch {device.torch} on {threads} "
        f"{'thread' if threads == 1 else 'threads'}, {versions}, "
        f"load {os.getloadavg()[0]:.1f}"
    )


def use_one_thread() -> None:
    """One thread computes, so that its CPU time is what the call would take on an idle machine."""
    import torch

    torch.set_num_threads(1)


def allocate_anew() -> None:
    """Make glibc fetch memory of 64 KiB and more from the system each time, as a one-off allocation is.

    Otherwise it reuses what the last round freed, though only for weights below 32 MB. With another C library
    nothing changes.
    """
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        set_option(_M_MMAP_THRESHOLD, 64 * 1024)
