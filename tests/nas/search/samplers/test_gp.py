"""The Gaussian process says what it needs."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import pytest

import nas
from search_spaces import SearchSpace


def test_without_scipy_it_is_refused(
    medium: SearchSpace, search: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "scipy" else find(name))
    with pytest.raises(nas.ConfigError, match="sampler gp needs scipy: install it, or choose"):
        search(medium, "gp")
