"""Recovery: a short training of a sub-network after pruning, and what it says of the search's ranking."""

from nas.metrics import kendall_tau
from nas.recovery.finalists import keep_most
from nas.recovery.learner import fresh_learner, learner_of
from nas.recovery.options import RecoveryOptions
from nas.recovery.recover import Recovered, recover
from nas.recovery.stages import shrinking_stages
from nas.recovery.weights_file import load_weights, save_weights

__all__ = [
    "Recovered",
    "RecoveryOptions",
    "fresh_learner",
    "keep_most",
    "kendall_tau",
    "learner_of",
    "load_weights",
    "recover",
    "save_weights",
    "shrinking_stages",
]
