"""A study that grows in a ledger step by step, each step a change that a driver makes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas.evaluation import Target
from nas.objectives import parse_constraints, parse_objectives
from nas.service.views import StudyView, StudyViews
from nas.study.spec import StudySpec
from nas.study.stored_study import StoredStudy
from search_spaces import LayerShape, ModelShape, SubnetConfig, Workload, build_space
from storage import Ledger, Proposal, TrialState

NAME = "growing"
SHAPE = ModelShape(
    model_type="bert",
    hidden_size=16,
    layers=(LayerShape(num_key_value_heads=4, queries_per_head=1, head_dim=4, intermediate_size=12),) * 3,
    tensors=(),
)


class Growing:
    """A study and the driver that makes it grow; what it does next is drawn from a seed."""

    def __init__(self, ledger: Ledger, *, seed: int, constraints: tuple[str, ...], latency: bool) -> None:
        self.ledger, self._generator = ledger, np.random.default_rng(seed)
        self._has_latency = latency
        self._space = build_space("medium", SHAPE)
        self.spec = StudySpec(
            shape=SHAPE,
            space=self._space.to_json(),
            objectives=parse_objectives(("max accuracy", f"min {self.cost}")),
            constraints=parse_constraints(constraints),
            sampler="random",
            seed=0,
            design=(),
            target=Target(name="desk", device="cpu", sequence_length=8) if latency else None,
            workload=Workload(),
            deterministic=False,
            parallel=1,
            supernet={"task": "text-classification", "provenance": {"source": "tiny"}},
        )
        self.record = ledger.create_study(NAME, spec=self.spec.to_json(), fingerprint={}, seed=0)
        self._lease = ledger.acquire(NAME, owner="test", seconds=600)
        self._keys: set[str] = set()
        self._open: list[int] = []

    @property
    def cost(self) -> str:
        """The second objective."""
        return "latency_ratio" if self._has_latency else "num_parameters"

    @property
    def stored(self) -> StoredStudy:
        """The study as its database knows it."""
        return StoredStudy(self.ledger, NAME, self.spec)

    def propose(self, *, origin: str = "sampler", state: TrialState = TrialState.PROPOSED) -> int:
        """One trial more."""
        full = SubnetConfig.full(SHAPE)
        config = full if origin == "baseline:full" else self._drawn()
        self._keys.add(config.key)
        proposal = Proposal(
            key=config.key,
            config=config.to_json(),
            parameters={} if config == full else self._space.encode(config),
            sampler_attributes={},
            costs={"num_parameters": float(self._generator.integers(50, 100))},
            origin=origin,
            state=state,
            reason="over a budget" if state is TrialState.INFEASIBLE else None,
        )
        (record,) = self.ledger.propose(self._lease, [proposal])
        if state is TrialState.PROPOSED and origin != "baseline:full":  # whose end is the test's to choose
            self._open.append(record.number)
        return record.number

    def complete(self, number: int, **metrics: float) -> None:
        """The trial ends with metrics, drawn ones unless given."""
        self.ledger.complete(self.record.id, number, self._metrics() | metrics)
        self._open = [one for one in self._open if one != number]

    def pause(self, number: int) -> None:
        """The trial runs and is stopped early."""
        self.ledger.dispatch(self._lease, number)
        self.ledger.pause(self._lease, number, self._metrics(), reason="dominated")

    def step(self) -> None:
        """Something that a driver does."""
        actions: list[Callable[[], Any]] = [self._propose_any, self._end, self._end, self._touch]
        actions[int(self._generator.integers(len(actions)))]()

    def _propose_any(self) -> None:
        kinds = [("sampler", TrialState.PROPOSED)] * 4 + [
            ("baseline:uniform_ladder", TrialState.PROPOSED),
            ("sampler", TrialState.INFEASIBLE),
        ]
        origin, state = kinds[int(self._generator.integers(len(kinds)))]
        self.propose(origin=origin, state=state)

    def _end(self) -> None:
        if not self._open:
            return
        number = self._open[int(self._generator.integers(len(self._open)))]
        if self._generator.random() < 0.1:
            self.ledger.fail(self._lease, number, reason="oom", message="out of memory")
            self._open.remove(number)
        else:
            self.complete(number)

    def _touch(self) -> None:
        """Hand out a trial, take it back, or stop it early."""
        if not self._open:
            return
        number = self._open[int(self._generator.integers(len(self._open)))]
        if self._generator.random() < 0.5:
            self.pause(number)
        else:
            self.ledger.dispatch(self._lease, number)
            if self._generator.random() < 0.5:
                self.ledger.requeue(self._lease, number, outcome="driver_lost")

    def _metrics(self) -> dict[str, float]:
        metrics = {"accuracy": round(float(self._generator.random()), 2)}
        if self._has_latency:
            ratio = round(float(self._generator.uniform(0.3, 1.0)), 2)
            metrics |= {"latency_ratio": ratio, "latency_ms": 10 * ratio}
            if self._generator.random() < 0.8:
                metrics |= {"latency_ratio_low": 0.95 * ratio, "latency_ratio_high": 1.05 * ratio}
        return metrics

    def _drawn(self) -> SubnetConfig:
        while True:
            config = self._space.sample(self._generator)
            if config.key not in self._keys:
                return config


@pytest.fixture(scope="module")
def grow_in() -> Callable[..., Growing]:
    """Make a study in a ledger."""

    def make(
        ledger: Ledger, *, seed: int = 0, constraints: tuple[str, ...] = (), latency: bool = False
    ) -> Growing:
        return Growing(ledger, seed=seed, constraints=constraints, latency=latency)

    return make


@pytest.fixture
def grow(tmp_path: Path, grow_in: Callable[..., Growing]) -> Iterator[Callable[..., Growing]]:
    """Make a study in a database of its own, closed after the test."""
    with Ledger.open(f"sqlite:///{tmp_path / 'nas.db'}") as ledger:
        yield partial(grow_in, ledger)
        assert ledger.open_connections() == 0


@pytest.fixture(scope="module")
def look() -> Callable[[Growing, StudyViews], StudyView]:
    """The view of a study as it is now."""
    return lambda growing, views: views.view(growing.ledger.study_status(NAME))
