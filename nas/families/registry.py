"""The known families by transformers' `model_type`."""

from __future__ import annotations

from typing import Final

from nas.errors import UnsupportedModelError
from nas.families.bert import BertFamily, ElectraFamily
from nas.families.family import Family
from nas.families.llama import LlamaFamily

_FAMILIES: Final = (BertFamily(), ElectraFamily(), LlamaFamily())


def family_of(model_type: str) -> Family:
    """The description of an architecture.

    Raises:
        UnsupportedModelError: none is known for `model_type`.
    """
    for family in _FAMILIES:
        if model_type in family.model_types:
            return family
    raise UnsupportedModelError(
        f"model type {model_type!r} has no family description; known are {', '.join(known_model_types())}"
    )


def known_model_types() -> tuple[str, ...]:
    """Every `model_type` that can become a supernet."""
    return tuple(sorted(name for family in _FAMILIES for name in family.model_types))
