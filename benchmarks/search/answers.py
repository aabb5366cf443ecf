"""An evaluator that looks answers up: the whole search runs on it without a forward pass."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np

from benchmarks.search.oracle import Floats, Integers, Kept, Oracle
from nas.evaluation import Evaluator, Outcome, Quality
from nas.evaluation.example_order import stratified_order
from nas.evaluation.skeleton import Skeleton
from nas.supernet import Supernet
from search_spaces import LayerUnits, SubnetConfig
from search_spaces.units import count
from workers import EvaluatorFactory


class Source(Protocol):
    """Answers of every sub-network that may be asked for.

    Attributes:
        labels: classes, `(examples,)`.
        sha256: of everything that it answers by.
    """

    labels: Integers
    sha256: str

    def logits(self, config: SubnetConfig, rows: Integers) -> Floats:
        """Of some examples, `(len(rows), classes)`."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A part of the examples that a sub-network was evaluated on."""

    key: str
    start: int
    stop: int


@dataclass(frozen=True, kw_only=True)
class AnswerEvaluator(Evaluator):
    """Evaluates sub-networks, in stages or at once, by asking a source.

    Attributes:
        seed: of the order in which stages take the examples.
        asked: what was asked for so far, in its order; filled while a pool of this process evaluates.
    """

    source: Source
    seed: int = 0
    asked: list[Asked] = field(default_factory=list, repr=False, compare=False)

    @property
    def metrics(self) -> tuple[str, ...]:
        """See `Evaluator.metrics`."""
        return ("accuracy",)

    @property
    def sha256(self) -> str:
        """See `Evaluator.sha256`."""
        return self.hashed(self.source.sha256, self.seed)

    @property
    def num_examples(self) -> int:
        """See `Evaluator.num_examples`."""
        return len(self.source.labels)

    @property
    def is_staged(self) -> bool:
        """See `Evaluator.is_staged`."""
        return True

    @property
    def order(self) -> Integers:
        """Stratified as that of a data set, after a shuffle by the seed."""
        shuffled = np.random.default_rng([self.seed, 3]).permutation(self.num_examples)
        labels: Any = _Labels(self.source.labels[shuffled])
        return np.asarray(shuffled[stratified_order(labels)], dtype=np.int64)

    def prepare(self, supernet: Supernet, earlier: Mapping[str, Any] | None = None) -> AnswerEvaluator:
        """See `Evaluator.prepare`."""
        del supernet, earlier
        return self

    def factory(self, skeleton: Skeleton) -> EvaluatorFactory:
        """See `Evaluator.factory`."""
        del skeleton
        return lambda arrays: _AnswerWorker(self)

    def merged(self, parts: Sequence[Quality]) -> Quality:
        """See `Evaluator.merged`."""
        outcome = Outcome.merged([part.outcome for part in parts if part.outcome is not None])
        return self.quality(outcome, seconds=sum(part.seconds for part in parts))

    def quality(self, outcome: Outcome, *, seconds: float) -> Quality:
        """Metrics of an outcome."""
        values = outcome.values((*self.metrics, "loss"))
        return Quality(metrics=values, examples=len(outcome.sums), seconds=seconds, outcome=outcome)

    @property
    def num_asked(self) -> int:
        """Examples that were evaluated so far, those evaluated twice counted twice."""
        return sum(part.stop - part.start for part in self.asked)


class _AnswerWorker:
    def __init__(self, evaluator: AnswerEvaluator) -> None:
        self._evaluator = evaluator
        self._order = evaluator.order

    def __call__(self, payload: Mapping[str, Any]) -> Quality:
        begin = time.monotonic()
        config = SubnetConfig.from_json(payload)
        start, stop = payload.get("examples", (0, len(self._order)))
        self._evaluator.asked.append(Asked(config.key, start, stop))
        outcome = outcome_of(self._evaluator.source, config, self._order[start:stop])
        return self._evaluator.quality(outcome, seconds=time.monotonic() - begin)


@dataclass(frozen=True)
class _Labels:
    """As much of a data set as decides the order of its examples."""

    labels: Integers
    label_kind: Literal["class"] = "class"

    def __len__(self) -> int:
        return len(self.labels)


class OracleSource:
    """Answers of an oracle."""

    def __init__(self, oracle: Oracle, seed: int) -> None:
        self.oracle = oracle
        self.labels: Integers = oracle.labels
        self.sha256 = hashlib.sha256(f"oracle {seed} {len(oracle)} {oracle.sizes}".encode()).hexdigest()

    def logits(self, config: SubnetConfig, rows: Integers) -> Floats:
        """See `Source.logits`."""
        return self.oracle.logits(kept_by(config), rows)


def outcome_of(source: Source, config: SubnetConfig, rows: Integers) -> Outcome:
    """What a sub-network gives on some examples."""
    labels, logits = source.labels[rows], source.logits(config, rows)
    highest = logits.max(axis=1, keepdims=True)
    total = np.log(np.exp(logits - highest).sum(axis=1)) + highest[:, 0]
    return Outcome(
        sums=(total - logits[np.arange(len(rows)), labels]).astype(np.float32),
        counts=np.ones(len(rows), dtype=np.int64),
        predictions=logits.astype(np.float32),
        labels=labels,
    )


def kept_by(config: SubnetConfig) -> Kept:
    """Units that a sub-network keeps, as the oracle takes them."""
    return Kept(
        heads=tuple(count(units.heads) if units else 0 for units in config.layers),
        neurons=tuple(count(units.ffn) if units else 0 for units in config.layers),
    )


def config_of(kept: Kept, hidden: int) -> SubnetConfig:
    """The sub-network of a MiniLM that keeps so much."""
    layers = tuple(
        LayerUnits(heads=heads, ffn=neurons) if heads or neurons else None
        for heads, neurons in zip(kept.heads, kept.neurons, strict=True)
    )
    return SubnetConfig(hidden=hidden, layers=layers)
