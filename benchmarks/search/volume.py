"""How good a set of sub-networks is: the hypervolume of their true errors and sizes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, Literal

import numpy as np

from benchmarks.search.answers import Source, outcome_of
from benchmarks.search.oracle import Floats
from nas.pareto import hypervolume, non_dominated
from nas.study.spec import StudySpec
from search_spaces import SubnetConfig

Measure = Literal["accuracy", "loss"]
#: The worst that counts: guessing between two classes, with the size of the full model.
REFERENCES: Final[dict[str, tuple[float, float]]] = {"accuracy": (0.5, 1.0), "loss": (math.log(2), 1.0)}
OBJECTIVES: Final[dict[str, tuple[str, str]]] = {
    "accuracy": ("max accuracy", "min num_parameters"),
    "loss": ("min loss", "min num_parameters"),
}


def true_points(source: Source, configs: Sequence[SubnetConfig], spec: StudySpec, measure: Measure) -> Floats:
    """Error (or loss) on all examples and share of the full model's parameters, `(configs, 2)`."""
    rows = np.arange(len(source.labels))
    full = spec.full_costs["num_parameters"]
    points = []
    for config in configs:
        outcome = outcome_of(source, config, rows)
        value = outcome.values(("accuracy", "loss"))[measure]
        worse = 1 - value if measure == "accuracy" else value
        points.append((worse, spec.costs(config)["num_parameters"] / full))
    return np.array(points).reshape(-1, 2)


def volume(points: Floats, measure: Measure) -> float:
    """Hypervolume below the reference."""
    return float(hypervolume(points, REFERENCES[measure])) if len(points) else 0.0


def front_of(points: Floats) -> np.ndarray:
    """Mask of the points that no other dominates."""
    return np.asarray(non_dominated(points))
