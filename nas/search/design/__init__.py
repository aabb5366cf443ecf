"""The initial design: the same first sub-networks for every sampler, baselines among them."""

from nas.search.design.measuring import SeedMeasurements
from nas.search.design.seeds import DEFAULT_DESIGN, Seed, check_design, has_measured, initial_design

__all__ = [
    "DEFAULT_DESIGN",
    "Seed",
    "SeedMeasurements",
    "check_design",
    "has_measured",
    "initial_design",
]
