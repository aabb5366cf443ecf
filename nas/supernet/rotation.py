"""The residual stream turned to its principal directions, so that the first channels hold the most of it.

A rotation is no order of the channels, but is chosen like one: `rank({"hidden": "pca_rotation"}, batches)`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import nn

from nas.errors import ConfigError, UnsupportedModelError
from nas.importance import CalibrationBatch, Cost, Ranking
from nas.importance.base import Subject
from nas.supernet.moments import centred_directions, principal_directions, second_moment
from nas.supernet.stream import stream_weights
from nas.supernet.turning import turn_stream
from search_spaces import ModelShape, SubnetConfig
from search_spaces.units import count

if TYPE_CHECKING:
    from nas.supernet.supernet import Supernet

PCA_ROTATION: Final = "pca_rotation"


def split_rotation(importance: str | Mapping[str, str]) -> tuple[str | Mapping[str, str], bool]:
    """The importance methods without the rotation, and whether it was among them."""
    if isinstance(importance, str):
        return ({}, True) if importance == PCA_ROTATION else (importance, False)
    rest = {axis: name for axis, name in importance.items() if (axis, name) != ("hidden", PCA_ROTATION)}
    return rest, len(rest) < len(importance)


def check_rotation(subject: Subject, batches: Sequence[CalibrationBatch] | None = None) -> None:
    """Raise what `rotate` would, before anything is computed; without batches what concerns the model."""
    weights = stream_weights(subject.model, subject.shape, subject.family)
    for norm, readers in weights.readers.items():
        if not readers:
            raise UnsupportedModelError(
                f"{type(subject.model).__name__} hands out what {norm.removesuffix('.weight')} emits, which "
                "a rotation would change; use a class with a head, or sort hidden by minitron"
            )
    if batches is not None and not batches:
        raise ConfigError(
            f"{PCA_ROTATION} needs calibration data; give batches, or sort hidden by magnitude_l2"
        )


def rotate(subject: Subject, batches: Sequence[CalibrationBatch]) -> ModelShape:
    """Rotate the residual stream of a model in place; it computes the same function as before.

    The norms' weights and biases go into the linear weights that read them, and their weights become one,
    since a rotation does not pass through them. A head that is tied to the embeddings gets weights of its
    own first: the last norm's weight would change the embeddings too. Where the norms subtract the mean over
    channels, the writers of the stream do so already, and the new channels share out the principal
    directions such that the stock norm fits a cut stream too (`centred_directions`).

    Source: Ashkboos et al. 2024 (SliceGPT, arXiv 2401.15024). There every block has a rotation of its
    own, and its residual branch multiplies by the quotient of two; here all share one, from the inputs of all
    norms, so that the stock classes still fit. There layer norms become RMS norms; here they stay.

    Returns:
        The shape of the changed model.

    Raises:
        UnsupportedModelError: no rotation keeps the function of this architecture.
        ConfigError: no calibration data.
    """
    check_rotation(subject, batches)
    is_centred = stream_weights(subject.model, subject.shape, subject.family).has_layer_norms
    moment = second_moment(subject, batches, is_centred=is_centred)
    rotation = centred_directions(moment) if is_centred else principal_directions(moment)
    _untie_readers(subject)
    shape = subject.family.describe(subject.model)
    weights = stream_weights(subject.model, shape, subject.family)
    parameters = dict(subject.model.named_parameters(remove_duplicate=False))
    with torch.no_grad():
        turn_stream(parameters, shape, weights, rotation)
    return shape


def with_rotation(ranking: Ranking, batches: Sequence[CalibrationBatch]) -> Ranking:
    """The record of a ranking that rotated as well: one forward pass a batch more."""
    return replace(
        ranking,
        methods={**ranking.methods, "hidden": PCA_ROTATION},
        cost=ranking.cost + Cost(forward=len(batches)),
    )


def norm_correction(supernet: Supernet, config: SubnetConfig) -> dict[str, torch.Tensor]:
    """Norm weights that make up for dropped channels of the residual stream, by name, in the cut shape.

    A norm over `k` kept of `d` channels divides by the root of their mean square, or of their variance. Where
    the dropped channels hold next to nothing, as in a rotated stream, that is `sqrt(d / k)` times what the
    full model divides by. Biases stay.

    Source: Ashkboos et al. 2024 (SliceGPT), whose norm divides by the root of `sum(x**2) / d` at any width.

    Raises:
        UnsupportedModelError: the architecture has no norms right before its sub-layers and head.
        SpaceError: units that the model does not have.
    """
    shape, config = supernet.shape, config.canonical(supernet.shape)
    weights = stream_weights(supernet.model, shape, supernet.family)
    kept = count(config.hidden)
    if kept == shape.hidden_size:
        return {}
    factor = (shape.hidden_size / kept) ** 0.5
    slices = supernet.slices(config)
    return {
        norm: (slices[norm] + weights.norm_offset) * factor - weights.norm_offset
        for norm in weights.readers
        if norm in slices
    }


def _untie_readers(subject: Subject) -> None:
    """Give each reader that shares memory with embeddings weights of its own.

    The config says so where transformers ties nothing else. T5's cannot, but its stock class unties weights
    that differ in the file that it loads.
    """
    model: Any = subject.model
    readers = stream_weights(model, subject.shape, subject.family).norm_of
    tied = [name for name in readers if subject.shape.by_name[name].tied_to is not None]
    for name in tied:
        path, _, last = name.rpartition(".")
        weight = model.get_parameter(name)
        own = nn.Parameter(weight.detach().clone(), requires_grad=weight.requires_grad)
        model.get_submodule(path)._parameters[last] = own
    if tied:
        still = {name: source for name, source in model.all_tied_weights_keys.items() if name not in tied}
        model.all_tied_weights_keys = still
        if not still:
            model.config.tie_word_embeddings = False
