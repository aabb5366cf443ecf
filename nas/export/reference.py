"""Sample inputs and what the searched sub-network answers to them."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from nas.errors import ConfigError, ExportVerificationError
from nas.supernet import Supernet
from nas.supernet.activation import ElasticModel
from search_spaces import SubnetConfig

REFERENCE: Final = "reference.safetensors"
#: Allowed difference of float32 logits, relative to the largest of them (at least 1).
TOLERANCE: Final = 1e-5
INPUT_NAMES: Final = ("input_ids", "attention_mask", "token_type_ids", "position_ids")
_PREFIX: Final = "inputs."
_ROWS: Final = 4
_LENGTH: Final = 16


@dataclass(frozen=True, kw_only=True)
class Reference:
    """Inputs by name, `(batch, sequence)` each, and logits in float32, `(batch, num_labels)`."""

    inputs: Mapping[str, torch.Tensor]
    logits: torch.Tensor

    @property
    def tolerance(self) -> float:
        """Largest difference of logits that counts as equal."""
        return TOLERANCE * max(1.0, float(self.logits.abs().max()))

    def save(self, folder: Path) -> None:
        """Write `reference.safetensors`."""
        tensors = {f"{_PREFIX}{name}": tensor.contiguous() for name, tensor in self.inputs.items()}
        save_file({**tensors, "logits": self.logits.contiguous()}, folder / REFERENCE)

    @staticmethod
    def load(folder: Path) -> Reference:
        """Read what `save` wrote.

        Raises:
            ExportVerificationError: no such file, or another content.
        """
        try:
            tensors = load_file(folder / REFERENCE)
            logits = tensors.pop("logits")
        except (OSError, KeyError, SafetensorError) as error:
            raise ExportVerificationError(f"{folder / REFERENCE} cannot be read: {error!r}") from error
        inputs = {name.removeprefix(_PREFIX): tensor for name, tensor in tensors.items()}
        return Reference(inputs=inputs, logits=logits)


def reference_of(
    supernet: Supernet, config: SubnetConfig, inputs: Mapping[str, torch.Tensor] | None
) -> Reference:
    """Run the active sub-network, on the processor and in float32.

    Raises:
        ConfigError: `inputs` has no `input_ids` or a name that a model folder cannot be asked with.
        ExportVerificationError: the sub-network's own logits are not finite.
    """
    if inputs is None:
        inputs = random_inputs(supernet.model.config)
    unknown = sorted(set(inputs) - set(INPUT_NAMES))
    if unknown or "input_ids" not in inputs:
        raise ConfigError(
            f"sample_inputs has {sorted(inputs)}; input_ids is needed, allowed are {', '.join(INPUT_NAMES)}"
        )
    plain = {name: tensor.detach().cpu() for name, tensor in inputs.items()}
    with torch.inference_mode(), _active(supernet, config) as model:
        logits = model(**plain).logits.clone()
    if not bool(logits.isfinite().all()):
        raise ExportVerificationError(
            f"the logits of sub-network {config.key} are not finite, so nothing can be compared; "
            "check the supernet's weights"
        )
    return Reference(inputs=plain, logits=logits)


def random_inputs(config: Any) -> dict[str, torch.Tensor]:
    """Rows of random tokens, each padded to another length, always the same for a model."""
    generator = torch.Generator().manual_seed(0)
    padding = config.pad_token_id or 0
    # RoBERTa counts positions from the padding token on.
    length = max(1, min(_LENGTH, config.max_position_embeddings - padding - 1))
    tokens = torch.randint(0, config.vocab_size, (_ROWS, length), generator=generator)
    tokens[tokens == padding] = (padding + 1) % config.vocab_size
    lengths = torch.tensor([max(1, length - row * length // _ROWS) for row in range(_ROWS)])
    mask = (torch.arange(length)[None, :] < lengths[:, None]).long()
    inputs = {"input_ids": torch.where(mask.bool(), tokens, padding), "attention_mask": mask}
    if getattr(config, "type_vocab_size", 1) > 1:
        inputs["token_type_ids"] = (torch.arange(length) >= length // 2).long().expand(_ROWS, -1) * mask
    return inputs


def _active(supernet: Supernet, config: SubnetConfig) -> AbstractContextManager[nn.Module]:
    """The supernet itself where it computes in float32 on the processor, otherwise such a copy."""
    parameters = list(supernet.model.parameters())
    is_comparable = all(p.device.type == "cpu" and p.dtype == torch.float32 for p in parameters)
    if is_comparable and not supernet.model.training:
        return supernet.active(config)
    twin: Any = copy.deepcopy(supernet.model)
    twin = twin.to(device="cpu", dtype=torch.float32).eval()
    return ElasticModel(twin, supernet.shape, supernet.family).active(config)
