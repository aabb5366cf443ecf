"""Frozen teachers, and the hidden states of a forward pass."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import torch
from torch import nn

from nas.errors import ConfigError
from nas.families import family_of
from nas.supernet import Supernet


class Teacher:
    """A model of its own that sub-networks learn from; its weights never change.

    Attributes:
        model: with a head for the same labels; moved nowhere, so put it on the supernet's device.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        model.train(mode=False)
        model.requires_grad_(requires_grad=False)

    @staticmethod
    def of(supernet: Supernet) -> Teacher:
        """A copy of the full network as it is now, so that hidden states can be compared too."""
        return Teacher(supernet.extract(supernet.full))

    @cached_property
    def sha256(self) -> str:
        """Hash of the weights."""
        digest = hashlib.sha256()
        for name, weight in sorted(self.model.state_dict().items()):
            digest.update(name.encode())
            digest.update(weight.detach().cpu().contiguous().view(torch.uint8).numpy().data)
        return digest.hexdigest()

    @cached_property
    def blocks(self) -> list[nn.Module]:
        """Its transformer blocks, an encoder's before its decoder's.

        Raises:
            UnsupportedModelError: an architecture that no family describes.
        """
        return family_of(self.model.config.model_type).layers_of(self.model)

    def check(self, supernet: Supernet, *, hidden: bool) -> None:
        """Raise ConfigError unless sub-networks can be compared with this teacher.

        Args:
            supernet: the students.
            hidden: whether hidden states are compared.
        """
        labels = (getattr(model.config, "num_labels", None) for model in (supernet.model, self.model))
        own, taught = labels
        if own != taught:
            raise ConfigError(f"the teacher has num_labels={taught}, the supernet {own}; both must be equal")
        if not hidden:
            return
        size, depth = self.model.config.hidden_size, len(self.blocks)
        shape = supernet.shape
        if (size, depth) != (shape.hidden_size, shape.num_hidden_layers):
            raise ConfigError(
                f"hidden states are compared block by block, but the teacher has {depth} blocks of {size} "
                f"channels, the supernet {shape.num_hidden_layers} of {shape.hidden_size}; use "
                "Teacher.of(supernet), or set the weight of hidden to 0"
            )


@contextmanager
def recorded(blocks: Sequence[nn.Module], *, enabled: bool) -> Iterator[dict[int, torch.Tensor]]:
    """Outputs of the blocks that run inside the `with` block, by index.

    Hooks take them, since some models' `output_hidden_states` ends after the final norm.
    """
    states: dict[int, torch.Tensor] = {}
    handles = [_record(block, index, states) for index, block in enumerate(blocks)] if enabled else []
    try:
        yield states
    finally:
        for handle in handles:
            handle.remove()


def _record(block: nn.Module, index: int, states: dict[int, torch.Tensor]) -> Any:
    def keep(_: nn.Module, __: Any, output: Any) -> None:
        states[index] = output[0] if isinstance(output, tuple) else output

    return block.register_forward_hook(keep)
