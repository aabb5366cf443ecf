"""Studies written into the ledger directly: any state of any trial, without an evaluation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import nas
from nas.report.document import Code, Document, Facts, Paragraph, Section, Table
from nas.study.report import document_of
from nas.study.stored_study import StoredStudy
from nas.supernet import Supernet
from search_spaces import SearchSpace, SubnetConfig
from storage import Lease, Ledger, Proposal, TrialState

EVALUATOR = {"kind": "DatasetEvaluator", "metrics": ["accuracy"], "examples": 100, "sha256": "e" * 64}


@dataclass(kw_only=True)
class Writer:
    """Adds trials to a study as a driver does."""

    ledger: Ledger
    study: StoredStudy
    space: SearchSpace
    lease: Lease
    generator: np.random.Generator

    def add(
        self,
        metrics: Mapping[str, float] | None,
        *,
        config: SubnetConfig | None = None,
        origin: str = "sampler",
        state: TrialState = TrialState.DONE,
        seconds: float | None = 2.0,
        message: str = "loss is not finite",
    ) -> int:
        """A trial in a state; its number."""
        config = config or self.unseen()
        is_final = state in (TrialState.INFEASIBLE, TrialState.DUPLICATE)
        is_point = config in self.space
        proposal = Proposal(
            key=config.key,
            config=config.to_json(),
            parameters=self.space.encode(config) if is_point else {},
            sampler_attributes={},
            costs=self.study.spec.costs(config),
            origin=origin,
            state=state if is_final else TrialState.PROPOSED,
        )
        number = self.ledger.propose(self.lease, [proposal])[0].number
        if is_final:
            return number
        self.ledger.dispatch(self.lease, number)
        if state is TrialState.PAUSED:
            self.ledger.pause(self.lease, number, metrics or {}, reason="dominated by trial 0")
        elif state is TrialState.FAILED:
            self.ledger.fail(self.lease, number, reason="nan", message=message)
        elif state is TrialState.DONE:
            self.ledger.complete(self.study._id, number, metrics or {}, seconds=seconds)
        return number

    def full(self, **metrics: float) -> int:
        """The full model."""
        config = SubnetConfig.full(self.study.shape)
        return self.add(metrics or {"accuracy": 0.9}, config=config, origin="baseline:full")

    def unseen(self) -> SubnetConfig:
        """A sub-network of the space that is no trial yet."""
        known = {trial.key for trial in self.ledger.trials(self.study._id)}
        while True:
            config = self.space.sample(self.generator)
            if config.key not in known:
                return config

    def evaluated_with(self, **changes: Any) -> None:
        """Note an evaluator of 100 examples."""
        self.ledger.add_event(self.study._id, "evaluator", EVALUATOR | changes)

    @property
    def document(self) -> Document:
        """The report."""
        return document_of(self.study, self.ledger)


@pytest.fixture
def write(supernet: Supernet, url: str) -> Iterator[Callable[..., Writer]]:
    """Creates studies of a per-layer space of a tiny BERT."""
    opened: list[tuple[Ledger, Lease]] = []

    def make(
        name: str = "tiny",
        objectives: Sequence[str] = ("max accuracy", "min num_parameters"),
        *,
        space: SearchSpace | None = None,
        **options: Any,
    ) -> Writer:
        space = space or supernet.space("medium")
        with nas.create_study(
            name, supernet=supernet, space=space, objectives=objectives, storage=url, **options
        ) as made:
            spec = made.spec
        ledger = Ledger.open(url)
        lease = ledger.acquire(name, owner="test", seconds=600)
        opened.append((ledger, lease))
        return Writer(
            ledger=ledger,
            study=StoredStudy(ledger, name, spec),
            space=space,
            lease=lease,
            generator=np.random.default_rng(0),
        )

    yield make
    for ledger, lease in opened:
        ledger.release(lease)
        assert ledger.open_connections() == 0
        ledger.close()


def section_of(document: Document, anchor: str) -> Section:
    """A section by its anchor."""
    return next(section for section in document.sections if section.anchor == anchor)


def text_of(document: Document, anchor: str) -> str:
    """All words of a section but those of tables."""
    words: list[str] = []
    for block in section_of(document, anchor).blocks:
        if isinstance(block, Paragraph):
            words.append(block.text)
        elif isinstance(block, Facts):
            words += [f"{name}: {value}" for name, value in block.values.items()]
        elif isinstance(block, Code):
            words += [block.title, block.text]
    return "\n".join(words)


def tables_of(document: Document, anchor: str) -> list[Table]:
    """Tables of a section."""
    return [block for block in section_of(document, anchor).blocks if isinstance(block, Table)]


@pytest.fixture(name="text_of", scope="session")
def _text_of() -> Callable[[Document, str], str]:
    """All words of a section but those of tables."""
    return text_of


@pytest.fixture(name="tables_of", scope="session")
def _tables_of() -> Callable[[Document, str], list[Table]]:
    """Tables of a section."""
    return tables_of


@pytest.fixture(name="section_of", scope="session")
def _section_of() -> Callable[[Document, str], Section]:
    """A section by its anchor."""
    return section_of
