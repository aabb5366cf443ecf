"""Proposing sub-networks: Optuna's samplers over our own ledger, and the initial design."""

from nas.search.design import Seed, initial_design
from nas.search.proposer import Proposer, known_samplers

__all__ = ["Proposer", "Seed", "initial_design", "known_samplers"]
