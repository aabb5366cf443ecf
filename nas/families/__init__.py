"""Descriptions of model architectures: where heads, FFN, norms, embeddings and residual stream lie."""

from nas.families.family import Family, Weight
from nas.families.registry import family_of, known_model_types

__all__ = ["Family", "Weight", "family_of", "known_model_types"]
