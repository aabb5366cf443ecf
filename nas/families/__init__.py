"""Descriptions of model architectures: where heads, FFN, norms, embeddings and residual stream lie."""

from nas.families.family import Block, Family, Weight, base_prefix, equal_layers, sizes_of
from nas.families.inputs import random_inputs
from nas.families.registry import family_of, known_families, known_model_types, register_family

__all__ = [
    "Block",
    "Family",
    "Weight",
    "base_prefix",
    "equal_layers",
    "family_of",
    "known_families",
    "known_model_types",
    "random_inputs",
    "register_family",
    "sizes_of",
]
