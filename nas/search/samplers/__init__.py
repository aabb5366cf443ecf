"""Samplers by name: Optuna's and our own, each made anew for one proposal."""

from nas.search.samplers.archive import Archive, Point, Result
from nas.search.samplers.context import Factory, SamplerContext
from nas.search.samplers.optuna_samplers import generation_attributes, newest_notes
from nas.search.samplers.registry import known_samplers, sampler_factory
from nas.search.samplers.staged import StagedSampler

__all__ = [
    "Archive",
    "Factory",
    "Point",
    "Result",
    "SamplerContext",
    "StagedSampler",
    "generation_attributes",
    "known_samplers",
    "newest_notes",
    "sampler_factory",
]
