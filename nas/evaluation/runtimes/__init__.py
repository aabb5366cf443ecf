"""Runtimes that latency is measured in, one file each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nas._lazy import lazy

if TYPE_CHECKING:
    from nas.evaluation.runtimes.availability import check_available, unavailable
    from nas.evaluation.runtimes.registry import runtime_for
    from nas.evaluation.runtimes.runtime import Build, Calls, Runtime

# What lists runtimes needs to load none of them.
_MODULES = {
    "nas.evaluation.runtimes.availability": ("check_available", "unavailable"),
    "nas.evaluation.runtimes.registry": ("runtime_for",),
    "nas.evaluation.runtimes.runtime": ("Build", "Calls", "Runtime"),
}

__all__ = ["Build", "Calls", "Runtime", "check_available", "runtime_for", "unavailable"]

if not TYPE_CHECKING:
    __getattr__ = lazy(__name__, _MODULES)
