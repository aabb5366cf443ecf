"""What an exported folder tells about how its sub-network was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from search_spaces import Workload


@dataclass(frozen=True, kw_only=True)
class ExportFacts:
    """Where a sub-network comes from and what was measured; every value must be JSON.

    Attributes:
        study: name of the study, None outside one.
        trial: its number there.
        origin: what proposed it, e.g. a sampler or `uniform_ladder`.
        metrics: what was measured of the sub-network, by metric name with the unit in it.
        baseline: the same of the full model.
        constraints: budgets that it was selected under, as text.
        objectives: what the study optimised, as text.
        target: what latency was measured on, with the fingerprint of the device.
        data: what quality was measured on: name, sha256, number of examples.
        samples: raw samples by metric name.
        workload: one forward pass, for the counted costs.
        recovery: how the weights were trained after the search; None writes a note that they were not.
        extra: anything else, stored in nas.json only.
    """

    study: str | None = None
    trial: int | None = None
    origin: str | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    baseline: Mapping[str, float] = field(default_factory=dict)
    constraints: tuple[str, ...] = ()
    objectives: tuple[str, ...] = ()
    target: Mapping[str, Any] | None = None
    data: Mapping[str, Any] | None = None
    samples: Mapping[str, Sequence[float]] = field(default_factory=dict)
    workload: Workload = field(default_factory=Workload)
    recovery: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
