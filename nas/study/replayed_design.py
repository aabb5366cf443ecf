"""The part of an initial design that a replay can make anew: that which needs no supernet."""

from __future__ import annotations

from typing import Final

from nas.search import Seed, initial_design
from nas.search.design import has_measured
from nas.study.spec import StudySpec
from search_spaces import SearchSpace

ENQUEUED: Final = "seed:enqueued"
LAYER_DROP: Final = "baseline:layer_drop"


def reason_not_recomputed(origin: str, space: SearchSpace) -> str | None:
    """Why a seed can't be computed from what is stored; None where it can."""
    if origin == ENQUEUED:
        return "it was chosen by hand"
    if origin == LAYER_DROP and not hasattr(space, "layer_order"):
        return "the order of layers is the supernet's, which is not loaded"
    if has_measured((origin.partition(":")[2],)):
        return "it was made from measurements of the supernet"
    return None


def recomputed_design(spec: StudySpec, space: SearchSpace) -> list[Seed]:
    """Seeds that follow from the study's definition, each sub-network once."""
    names = [
        name
        for name in spec.design
        if reason_not_recomputed(f"seed:{name}", space) is None
        and reason_not_recomputed(f"baseline:{name}", space) is None
    ]
    seeds = initial_design(space, names, seed=spec.seed)
    kept: dict[str, Seed] = {}
    for seed in seeds:
        config = seed.config.canonical(spec.shape)
        kept.setdefault(config.key, Seed(config=config, origin=seed.origin))
    return list(kept.values())
