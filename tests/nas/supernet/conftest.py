"""Tiny supernets."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest

from nas.supernet import Supernet


@pytest.fixture(scope="session")
def make_supernet(tiny_model: Callable[..., Any]) -> Callable[..., Supernet]:
    """A supernet of a tiny model; arguments as `tiny_model`."""

    def make(kind: str = "bert", **options: Any) -> Supernet:
        return Supernet.from_model(tiny_model(kind, **options))

    return make


@pytest.fixture(scope="session")
def shared_supernet(make_supernet: Callable[..., Supernet]) -> Callable[..., Supernet]:
    """As `make_supernet`, made once; only for tests that leave its weights alone."""
    return functools.cache(make_supernet)
