"""What a run computes, how large, and where."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import nas
from benchmarks.search.oracle import Sizes
from nas.data import EncodedDataset


@dataclass(frozen=True, kw_only=True, slots=True)
class Effort:
    """Sizes of all parts.

    Attributes:
        examples: of the synthetic oracle.
        candidates: that racing and full evaluation choose among, in each set.
        simulated: candidates of each seed among which wrong stops are counted.
        evaluations: full evaluations whose examples each searcher may spend.
        trials: of the search end to end.
        overhead_trials: of the search whose overhead is timed.
        sizes: of the oracle's full model.
    """

    examples: int = 872
    candidates: int = 200
    simulated: int = 250
    evaluations: int = 200
    trials: int = 200
    overhead_trials: int = 100
    sizes: Sizes = field(default_factory=Sizes)


EFFORTS: Final = {
    "full": Effort(),
    "short": Effort(candidates=100, simulated=100, evaluations=60, trials=60, overhead_trials=40),
    "tiny": Effort(
        examples=96,
        candidates=12,
        simulated=12,
        evaluations=14,
        trials=14,
        overhead_trials=14,
        sizes=Sizes(layers=2, heads=4, neurons=64, hidden=32, vocabulary=100, positions=32, neuron_step=4),
    ),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Real:
    """A supernet that was trained on its task, and the examples that its sub-networks are chosen on."""

    supernet: nas.Supernet
    data: EncodedDataset


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings of a run.

    Attributes:
        folder: of the cells, the recordings and the supernet.
        seeds: so many, from 0.
        real: makes or loads the supernet of MiniLM; parts that need none never call it.
        peer_python: a Python that has whittle, or None to leave whittle out.
    """

    folder: Path
    effort: Effort
    kind: str
    seeds: int
    real: Callable[[], Real]
    peer_python: str | None = None
