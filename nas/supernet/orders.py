"""Where the units of a ranked supernet lay in the pretrained model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from nas.elastic import AxisOrders
from search_spaces import ModelShape

ORDERS: Final = "unit_orders.safetensors"
_AXES: Final = ("heads", "queries", "ffn")


@dataclass(frozen=True, kw_only=True)
class UnitOrders:
    """By layer, which of the pretrained model's units lies at each place; a layer left out was never sorted.

    Ranking sorts each layer by itself, so that equal places of two layers hold units that did not belong
    together; whatever combines weights of two layers has to bring them into one order first.

    Attributes:
        heads: key-value heads, `(num_key_value_heads,)`.
        queries: query heads of all key-value heads in a row, `(num_attention_heads,)`.
        ffn: neurons, `(intermediate_size,)`.
    """

    heads: Mapping[int, np.ndarray] = field(default_factory=dict)
    queries: Mapping[int, np.ndarray] = field(default_factory=dict)
    ffn: Mapping[int, np.ndarray] = field(default_factory=dict)

    def then(self, new: AxisOrders, shape: ModelShape) -> UnitOrders:
        """The orders after one more ranking."""
        heads, queries, ffn = dict(self.heads), dict(self.queries), dict(self.ffn)
        for layer in range(shape.num_hidden_layers):
            if layer in new.heads:
                heads[layer] = self._of("heads", layer, shape)[new.heads[layer]]
            if layer in new.heads or layer in new.queries:
                queries[layer] = self._of("queries", layer, shape)[_flat_queries(new, layer, shape)]
            if layer in new.ffn:
                ffn[layer] = self._of("ffn", layer, shape)[new.ffn[layer]]
        return UnitOrders(heads=heads, queries=queries, ffn=ffn)

    def like(self, layer: int, other: int, shape: ModelShape) -> AxisOrders:
        """How to permute `layer` so that its units lie as those of `other`, a layer of equal sizes."""
        heads = self._matched("heads", layer, other, shape)
        queries = self._matched("queries", layer, other, shape)
        grouped = queries.reshape(len(heads), -1) % max(1, shape.layers[layer].queries_per_head)
        within = np.empty_like(grouped)
        within[heads] = grouped
        return AxisOrders(
            heads={layer: heads},
            queries={layer: within},
            ffn={layer: self._matched("ffn", layer, other, shape)},
        )

    def save(self, folder: Path) -> None:
        """Write `unit_orders.safetensors`; no file where nothing was sorted."""
        tensors = {
            f"{axis}.{layer}": torch.from_numpy(order.astype(np.int32))
            for axis in _AXES
            for layer, order in getattr(self, axis).items()
        }
        if tensors:
            save_file(tensors, folder / ORDERS)

    @staticmethod
    def load(folder: Path) -> UnitOrders:
        """Read what `save` wrote; the caller has checked the file."""
        found: dict[str, dict[int, np.ndarray]] = {axis: {} for axis in _AXES}
        if (folder / ORDERS).is_file():
            for key, tensor in load_file(folder / ORDERS).items():
                axis, _, layer = key.partition(".")
                found[axis][int(layer)] = tensor.numpy().astype(np.int64)
        return UnitOrders(**found)

    def _of(self, axis: str, layer: int, shape: ModelShape) -> np.ndarray:
        full = shape.layers[layer]
        sizes = {
            "heads": full.num_key_value_heads,
            "queries": full.num_attention_heads,
            "ffn": full.intermediate_size,
        }
        known: Mapping[int, np.ndarray] = getattr(self, axis)
        return known.get(layer, np.arange(sizes[axis]))

    def _matched(self, axis: str, layer: int, other: int, shape: ModelShape) -> np.ndarray:
        own, wanted = self._of(axis, layer, shape), self._of(axis, other, shape)
        matched: np.ndarray = np.argsort(own)[wanted]
        return matched


def _flat_queries(new: AxisOrders, layer: int, shape: ModelShape) -> np.ndarray:
    """Old place of the query head at each new place, all key-value heads in a row."""
    full = shape.layers[layer]
    within = new.queries.get(layer, np.tile(np.arange(full.queries_per_head), (full.num_key_value_heads, 1)))
    table = np.arange(full.num_key_value_heads)[:, None] * full.queries_per_head + within
    heads = new.heads.get(layer)
    flat: np.ndarray = (table if heads is None else table[heads]).reshape(-1)
    return flat
