"""Tiny studies in SQLite files, and score functions that cost nothing."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from torch import nn

import nas
from nas.study import Study
from nas.supernet import Supernet
from search_spaces import SearchSpace
from storage import Ledger

OBJECTIVES = ("max accuracy", "min num_parameters")


def num_weights(model: nn.Module) -> int:
    """Weights of the active sub-network."""
    return sum(parameter.numel() for parameter in model.parameters())


def wave(model: nn.Module) -> float:
    """An accuracy that neither rises nor falls with size."""
    return 0.5 + 0.4 * math.sin(num_weights(model) / 997)


@dataclass
class Counted:
    """A score function that notes what it was called with; it may be told what to do at some calls."""

    calls: list[int] = field(default_factory=list)
    at: dict[int, Callable[[], Any]] = field(default_factory=dict)
    version: str = "counted"

    def __call__(self, model: nn.Module) -> Any:
        self.calls.append(num_weights(model))
        action = self.at.get(len(self.calls) - 1)
        return wave(model) if action is None else action()

    @property
    def evaluator(self) -> nas.ScoreEvaluator:
        """Equal in all runs, whatever it was told to do."""
        return nas.ScoreEvaluator(score=self, metrics=("accuracy",), version=self.version)


def raising(error: BaseException) -> Callable[[], Any]:
    """An action that raises."""

    def act() -> Any:
        raise error

    return act


@pytest.fixture(name="wave", scope="session")
def _wave() -> Callable[[nn.Module], float]:
    """A score function."""
    return wave


@pytest.fixture
def counted() -> Counted:
    """A score function that notes its calls."""
    return Counted()


@pytest.fixture(name="raising", scope="session")
def _raising() -> Callable[[BaseException], Callable[[], Any]]:
    """Makes an action that raises."""
    return raising


@pytest.fixture(scope="session")
def make_supernet(tiny_model: Callable[..., Any]) -> Callable[..., Supernet]:
    """Hidden size 32, 3 layers, 4 heads, 64 neurons, 2 classes; arguments as `tiny_model`."""

    def make(**changes: Any) -> Supernet:
        sizes = {"hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 64, "vocab_size": 100}
        return Supernet.from_model(tiny_model("bert", **(sizes | {"num_labels": 2} | changes)))

    return make


@pytest.fixture(scope="session")
def supernet(make_supernet: Callable[..., Supernet]) -> Supernet:
    """Shared: tests leave its weights alone."""
    return make_supernet()


@pytest.fixture(scope="session")
def twelve(supernet: Supernet) -> SearchSpace:
    """A space of twelve points, the full model among them."""
    return supernet.space(
        "uniform",
        choices={
            "num_hidden_layers": [2, 3],
            "num_attention_heads": [2, 4],
            "intermediate_size": [16, 32, 64],
            "hidden_size": [32],
        },
    )


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Of a database that no other test has."""
    return f"sqlite:///{tmp_path / 'nas.db'}"


@pytest.fixture
def make_study(supernet: Supernet, url: str) -> Iterator[Callable[..., Study]]:
    """Create studies that are closed, and whose threads have ended, after the test."""
    made: list[Study] = []

    def make(name: str = "tiny", **options: Any) -> Study:
        defaults = {"supernet": supernet, "objectives": OBJECTIVES, "storage": url}
        study = nas.create_study(name, **(defaults | options))
        made.append(study)
        return study

    yield make
    for study in made:
        study.close()
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("lease-")]


@pytest.fixture
def ledger(url: str) -> Iterator[Ledger]:
    """The database as storage sees it."""
    with Ledger.open(url) as opened:
        yield opened
