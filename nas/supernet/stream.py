"""Which weights of a model write and read its residual stream."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from torch import nn

from nas.errors import UnsupportedModelError
from nas.families import Family, base_prefix
from nas.families.stream import ResidualStream
from search_spaces import ModelShape, TensorLayout


@dataclass(frozen=True, kw_only=True)
class StreamWeights:
    """Names of the weights that touch the residual stream.

    Attributes:
        readers: for each norm's weight the linear weights that read its output, along their last dimension
            of hidden channels.
        writers: weights that begin the stream or add to it, along their first dimension of hidden channels.
        scale_of: the weight that scales the channels of a writer before they are added, where there is one.
        norm_offset: what a norm adds to its weight before it multiplies.
        has_layer_norms: whether the norms subtract the mean over channels.
    """

    readers: Mapping[str, tuple[str, ...]]
    writers: frozenset[str]
    scale_of: Mapping[str, str]
    norm_offset: float
    has_layer_norms: bool

    @property
    def norm_of(self) -> dict[str, str]:
        """The norm that each reader reads."""
        return {reader: norm for norm, readers in self.readers.items() for reader in readers}


def stream_weights(model: nn.Module, shape: ModelShape, family: Family) -> StreamWeights:
    """Find them by the family's description.

    Raises:
        UnsupportedModelError: the architecture has no norms right before its sub-layers and head.
    """
    stream = _stream_of(family, shape.model_type)
    prefix = base_prefix(model)
    readers = {**_outer_readers(shape, stream, prefix), **_inner_readers(shape, family, stream, prefix)}
    _check_norms(readers, shape)
    scale_of = _scale_of(shape, family, stream, prefix)
    taken = {*readers, *(bias_of(norm) for norm in readers), *scale_of.values()}
    taken |= {name for names in readers.values() for name in names}
    writers = {
        layout.name
        for layout in shape.tensors
        if layout.name not in taken
        and _has_channels(layout)
        and (layout.layer is not None or re.fullmatch(stream.embeddings, layout.name.removeprefix(prefix)))
    }
    return StreamWeights(
        readers=readers,
        writers=frozenset(writers),
        scale_of=scale_of,
        norm_offset=stream.norm_offset,
        has_layer_norms=stream.has_layer_norms,
    )


def bias_of(weight: str) -> str:
    """Name of the bias beside a weight, which need not exist."""
    return f"{weight.removesuffix('weight')}bias"


def _outer_readers(shape: ModelShape, stream: ResidualStream, prefix: str) -> dict[str, tuple[str, ...]]:
    names = [layout.name for layout in shape.tensors if _has_channels(layout)]
    return {
        f"{prefix}{norm}.weight": tuple(n for n in names if re.fullmatch(pattern, n.removeprefix(prefix)))
        for norm, pattern in stream.outer_readers.items()
    }


def _inner_readers(
    shape: ModelShape, family: Family, stream: ResidualStream, prefix: str
) -> dict[str, tuple[str, ...]]:
    found = {}
    for path, readers in _by_block(stream.readers, shape, family, prefix):
        for norm, modules in readers.items():
            names = (f"{path}{module}.weight" for module in modules)
            found[f"{path}{norm}.weight"] = tuple(name for name in names if name in shape.by_name)
    return found


def _scale_of(shape: ModelShape, family: Family, stream: ResidualStream, prefix: str) -> dict[str, str]:
    return {
        name: f"{path}{scale}"
        for path, scales in (_by_block(stream.scales, shape, family, prefix) if stream.scales else ())
        for scale, modules in scales.items()
        for module in modules
        for name in (f"{path}{module}.weight", f"{path}{module}.bias")
        if name in shape.by_name
    }


def _by_block(
    facts: Sequence[Mapping[str, tuple[str, ...]]], shape: ModelShape, family: Family, prefix: str
) -> Iterator[tuple[str, Mapping[str, tuple[str, ...]]]]:
    """The path of each block, with a dot at its end, and what is said of its stack."""
    for block, of_stack, layers in zip(family.blocks, facts, shape.stacks, strict=True):
        for index in layers:
            yield f"{prefix}{block.path}.{index - layers.start}.", of_stack


def _has_channels(layout: TensorLayout) -> bool:
    return any(segment.axis == "hidden" for dim in layout.dims for segment in dim)


def _check_norms(norms: Mapping[str, object], shape: ModelShape) -> None:
    missing = [norm for norm in norms if norm not in shape.by_name]
    if missing:
        raise _not_rotatable(
            shape.model_type,
            f"this variant has no {missing[0].removesuffix('.weight')}, so that something reads the stream "
            "without a norm, as in post-norm variants",
        )


def _stream_of(family: Family, model_type: str) -> ResidualStream:
    if isinstance(family.stream, str):
        raise _not_rotatable(model_type, family.stream)
    return family.stream


def _not_rotatable(model_type: str, reason: str) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"the residual stream of {model_type} cannot be rotated: {reason}. "
        "Sort its channels instead, e.g. hidden by minitron"
    )
