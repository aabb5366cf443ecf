"""Descriptions of model architectures: where heads, FFN, norms, embeddings and residual stream lie."""

from nas.families.family import Block, Family, Weight, base_prefix, sizes_of
from nas.families.registry import family_of, known_model_types

__all__ = ["Block", "Family", "Weight", "base_prefix", "family_of", "known_model_types", "sizes_of"]
