"""Proposing sub-networks: Optuna's samplers over our own ledger, and the initial design."""

from nas.search.design import Seed, check_design, initial_design
from nas.search.proposer import Proposer, Twin, directions_of, distribution_of, known_samplers

__all__ = [
    "Proposer",
    "Seed",
    "Twin",
    "check_design",
    "directions_of",
    "distribution_of",
    "initial_design",
    "known_samplers",
]
