"""The weights around the residual stream in other channels, with what stands between moved into them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from nas.supernet.stream import StreamWeights, bias_of
from search_spaces import ModelShape, TensorLayout


def turn_stream(
    parameters: Mapping[str, nn.Parameter],
    shape: ModelShape,
    weights: StreamWeights,
    rotation: torch.Tensor,
) -> None:
    """Change weights in place so that rows `x` of the stream become `x @ rotation`, computed in float64.

    Args:
        parameters: of the model by name, tied ones too.
        shape: of the model; none of its readers is tied.
        weights: which ones touch the stream.
        rotation: `(hidden_size, hidden_size)`.
    """
    for name in weights.writers:
        layout = shape.by_name[name]
        if layout.tied_to is None:
            scale = parameters[weights.scale_of[name]] if name in weights.scale_of else None
            _turn_writer(parameters[name], _channel_dims(layout)[0], rotation, scale)
    for scale_name in set(weights.scale_of.values()):
        parameters[scale_name].fill_(1.0)
    for norm, readers in weights.readers.items():
        dims = {name: _channel_dims(shape.by_name[name])[-1] for name in readers}
        gain = parameters[norm].double() + weights.norm_offset
        parameters[norm].fill_(1.0 - weights.norm_offset)
        constants = _take_bias(norm, dims, parameters, len(rotation))
        for name, dim in dims.items():
            rows = _rows(parameters[name], dim, len(rotation)) * gain @ rotation.to(gain.device)
            if name in constants:
                # What reads a layer norm may add any constant to a row: all that it reads sums to zero.
                rows = rows + (constants[name] - rows[..., 0]).unsqueeze(-1)
            _put_rows(parameters[name], dim, rows)


def _turn_writer(
    parameter: nn.Parameter, dim: int, rotation: torch.Tensor, scale: torch.Tensor | None
) -> None:
    rows = _rows(parameter, dim, len(rotation))
    if scale is not None:
        rows = rows * scale.double()
    _put_rows(parameter, dim, rows @ rotation.to(rows.device))


def _take_bias(
    norm: str, dims: Mapping[str, int], parameters: Mapping[str, nn.Parameter], size: int
) -> dict[str, torch.Tensor]:
    """Empty a norm's bias into its readers' biases, or put all of it on the first channel.

    The second where a reader has no bias, e.g. a language model's head: every prefix has the first channel,
    so that the bias stays whole however narrow the stream is cut.

    Returns:
        What the first channel of each reader must then be, `(..., parts)`; none where readers' biases got it.
    """
    bias = parameters.get(bias_of(norm))
    if bias is None or not bias.any():
        return {}
    rows = {name: _rows(parameters[name], dim, size) @ bias.double() for name, dim in dims.items()}
    bias.zero_()
    if all(bias_of(name) in parameters for name in dims):
        for name, constant in rows.items():
            added = parameters[bias_of(name)]
            added.copy_(added.double() + constant.reshape(len(added), -1).sum(1))
        return {}
    # Of this size the first channel is about as large as the others of a reader.
    bias[0] = size**0.5
    return {name: constant / float(bias[0]) for name, constant in rows.items()}


def _channel_dims(layout: TensorLayout) -> list[int]:
    return [dim for dim, segments in enumerate(layout.dims) if segments[0].axis == "hidden"]


def _rows(weight: torch.Tensor, dim: int, size: int) -> torch.Tensor:
    """`(..., parts, size)` in float64; a head may read the stream in several parts, side by side."""
    moved = weight.double().movedim(dim, -1)
    return moved.reshape(*moved.shape[:-1], -1, size)


def _put_rows(parameter: nn.Parameter, dim: int, rows: torch.Tensor) -> None:
    parameter.copy_(rows.flatten(-2).movedim(-1, dim))
