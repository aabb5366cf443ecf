"""Sample inputs and what the searched sub-network answers to them."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from nas.errors import ConfigError, ExportVerificationError
from nas.export.generation import Generation, generation_of
from nas.export.samples import Size, sample_inputs
from nas.supernet import Supernet
from nas.supernet.activation import ElasticModel
from nas.supernet.replacement import checked_replacements
from search_spaces import SubnetConfig

REFERENCE: Final = "reference.safetensors"
#: Allowed difference of float32 outputs, relative to the largest of them (at least 1).
TOLERANCE: Final = 1e-5
#: The same for another runtime, whose kernels round in another order.
RUNTIME_TOLERANCE: Final = 1e-4
INPUT_NAMES: Final = (
    "input_ids",
    "attention_mask",
    "token_type_ids",
    "position_ids",
    "pixel_values",
    "input_features",
    "decoder_input_ids",
    "decoder_attention_mask",
)
_SIZES: Final = (Size(batch=4, length=16), Size(batch=1, length=5), Size(batch=3, length=11))


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Inputs by name and what a model answers: logits, or hidden states where it has no head; float32."""

    inputs: Mapping[str, torch.Tensor]
    output: torch.Tensor

    def tolerance(self, relative: float = TOLERANCE) -> float:
        """Largest difference of outputs that counts as equal."""
        return relative * max(1.0, float(self.output.abs().max()))

    def without_padding(self, values: torch.Tensor) -> torch.Tensor:
        """Values at tokens that are read, where there is one for each token.

        At padding a sliding window may hold padding alone, over which no two runtimes take the same mean.
        """
        mask = self.inputs.get("attention_mask")
        is_by_token = mask is not None and values.dim() == 3 and values.shape[:2] == mask.shape
        if mask is None or not is_by_token or "decoder_input_ids" in self.inputs:
            return values
        return values[mask.bool()]


@dataclass(frozen=True, kw_only=True)
class Reference:
    """What an exported folder must answer.

    Attributes:
        answers: to batches of different sizes, at least one.
        generation: what it must generate, None where it generates nothing.
    """

    answers: tuple[Answer, ...]
    generation: Generation | None = None

    def save(self, folder: Path) -> None:
        """Write `reference.safetensors`; the first answer's names have no number."""
        tensors: dict[str, torch.Tensor] = {}
        for number, answer in enumerate(self.answers):
            prefix = f"{number}." if number else ""
            tensors |= {f"{prefix}inputs.{name}": tensor for name, tensor in answer.inputs.items()}
            tensors[f"{prefix}logits"] = answer.output
        if self.generation is not None:
            tensors |= {f"prompt.{name}": tensor for name, tensor in self.generation.prompt.items()}
            tensors["generated"] = self.generation.tokens
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / REFERENCE)

    @staticmethod
    def load(folder: Path) -> Reference:
        """Read what `save` wrote.

        Raises:
            ExportVerificationError: no such file, or another content.
        """
        try:
            tensors = load_file(folder / REFERENCE)
            number = sum(name.endswith("logits") for name in tensors)
            answers = [_read_answer(tensors, f"{index}." if index else "") for index in range(max(1, number))]
        except (OSError, KeyError, SafetensorError) as error:
            raise ExportVerificationError(f"{folder / REFERENCE} cannot be read: {error!r}") from error
        prompt = _named(tensors, "prompt.")
        generation = (
            Generation(prompt=prompt, tokens=tensors["generated"]) if "generated" in tensors else None
        )
        return Reference(answers=tuple(answers), generation=generation)


def reference_of(
    supernet: Supernet,
    config: SubnetConfig,
    inputs: Mapping[str, torch.Tensor] | None,
    weights: Mapping[str, torch.Tensor] | None = None,
) -> Reference:
    """Run the active sub-network, on the processor and in float32.

    Raises:
        ConfigError: `inputs` lacks the model's main input or has a name that a folder cannot be asked with.
        ExportVerificationError: the sub-network's own outputs are not finite.
    """
    batches = [sample_inputs(supernet.model, size) for size in _SIZES] if inputs is None else [inputs]
    _check_names(batches[0], supernet.model.main_input_name)
    with torch.inference_mode(), _active(supernet, config, weights) as model:
        answers = [_answer(model, batch, config.key) for batch in batches]
        generation = generation_of(model, TOLERANCE)
    return Reference(answers=tuple(answers), generation=generation)


def output_of(outputs: Any) -> torch.Tensor:
    """The logits, or the hidden states of a model without a head."""
    logits: torch.Tensor | None = getattr(outputs, "logits", None)
    return outputs.last_hidden_state if logits is None else logits


def _answer(model: Any, inputs: Mapping[str, torch.Tensor], key: str) -> Answer:
    plain = {name: tensor.detach().cpu() for name, tensor in inputs.items()}
    output = output_of(model(**plain)).clone()
    if not bool(output.isfinite().all()):
        raise ExportVerificationError(
            f"the outputs of sub-network {key} are not finite, so nothing can be compared; "
            "check the supernet's weights"
        )
    return Answer(inputs=plain, output=output)


def _check_names(inputs: Mapping[str, torch.Tensor], main: str) -> None:
    if set(inputs) - set(INPUT_NAMES) or main not in inputs:
        raise ConfigError(
            f"sample_inputs has {sorted(inputs)}; {main} is needed, allowed are {', '.join(INPUT_NAMES)}"
        )


def _read_answer(tensors: Mapping[str, torch.Tensor], prefix: str) -> Answer:
    return Answer(inputs=_named(tensors, f"{prefix}inputs."), output=tensors[f"{prefix}logits"])


def _named(tensors: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _active(
    supernet: Supernet, config: SubnetConfig, weights: Mapping[str, torch.Tensor] | None
) -> AbstractContextManager[nn.Module]:
    """The supernet itself where it computes in float32 on the processor, otherwise such a copy."""
    parameters: Sequence[nn.Parameter] = list(supernet.model.parameters())
    is_comparable = all(p.device.type == "cpu" and p.dtype == torch.float32 for p in parameters)
    if is_comparable and not supernet.model.training:
        return supernet.active(config, weights)
    twin: Any = copy.deepcopy(supernet.model)
    twin = twin.to(device="cpu", dtype=torch.float32).eval()
    own = checked_replacements(weights, config, supernet.shape) if weights else None
    return ElasticModel(twin, supernet.shape, supernet.family).active(config, own)
