"""The known families by transformers' `model_type`."""

from __future__ import annotations

import functools
from importlib.metadata import entry_points
from typing import Final

from nas.errors import UnsupportedModelError
from nas.families.bart import BartFamily, MBartFamily
from nas.families.bert import BertFamily, ElectraFamily
from nas.families.dinov2 import Dinov2Family
from nas.families.distilbert import DistilBertFamily
from nas.families.family import Family
from nas.families.gemma import Gemma2Family, GemmaFamily
from nas.families.gpt2 import Gpt2Family
from nas.families.gpt_neox import GptNeoxFamily
from nas.families.llama import LlamaFamily
from nas.families.llama_kin import SmolLm3Family, StableLmFamily, StarCoder2Family
from nas.families.modernbert import ModernBertFamily
from nas.families.opt import OptFamily
from nas.families.phi import Phi3Family, PhiFamily
from nas.families.t5 import T5Family
from nas.families.vit import VitFamily
from nas.families.whisper import WhisperFamily

_FAMILIES: Final = (
    GptNeoxFamily(),
    Gpt2Family(),
    OptFamily(),
    Phi3Family(),
    PhiFamily(),
    SmolLm3Family(),
    StableLmFamily(),
    StarCoder2Family(),
    BertFamily(),
    ElectraFamily(),
    DistilBertFamily(),
    ModernBertFamily(),
    VitFamily(),
    Dinov2Family(),
    LlamaFamily(),
    GemmaFamily(),
    Gemma2Family(),
    T5Family(),
    BartFamily(),
    MBartFamily(),
    WhisperFamily(),
)


_registered: list[Family] = []


def register_family(family: Family) -> None:
    """Make a description of your own known to this process; it goes before one of the same `model_type`.

    Processes that a Ray pool starts know it too where the package that defines it names the class as an
    entry point of the group `nas.families`.
    """
    _registered.insert(0, family)


def family_of(model_type: str) -> Family:
    """The description of an architecture.

    Raises:
        UnsupportedModelError: none is known for `model_type`.
    """
    for family in known_families():
        if model_type in family.model_types:
            return family
    raise UnsupportedModelError(
        f"model type {model_type!r} has no family description; known are {', '.join(known_model_types())}"
    )


def known_families() -> tuple[Family, ...]:
    """Every description: registered ones, those of installed packages, our own."""
    return (*_registered, *_installed(), *_FAMILIES)


def known_model_types() -> tuple[str, ...]:
    """Every `model_type` that can become a supernet."""
    return tuple(sorted({name for family in known_families() for name in family.model_types}))


@functools.cache
def _installed() -> tuple[Family, ...]:
    """Families that other packages bring along."""
    return tuple(point.load()() for point in entry_points(group="nas.families"))
