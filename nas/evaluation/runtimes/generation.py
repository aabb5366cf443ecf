"""Reading a prompt and generating a fixed number of tokens, by torch models."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch

from nas.evaluation.runtimes.runtime import Calls


def generating_calls(model: Any, inputs: Mapping[str, torch.Tensor], steps: int) -> Calls:
    """Greedy generation with a key-value cache; an end token does not end it.

    Args:
        model: causal; called like the model that it is or was compiled from.
        inputs: the prompt.
        steps: tokens generated after the first, which the prompt's pass gives.
    """
    # Only the last position is needed to go on, and serving computes no other.
    last = {"logits_to_keep": 1} if _takes(model, "logits_to_keep") else {}

    def prefill() -> Any:
        with torch.inference_mode():
            return model(**inputs, **last, use_cache=True, return_dict=True)

    def whole() -> tuple[torch.Tensor]:
        with torch.inference_mode():
            output = prefill()
            for _ in range(steps):
                token = output.logits[:, -1:].argmax(-1)
                output = model(
                    input_ids=token, past_key_values=output.past_key_values, use_cache=True, return_dict=True
                )
            return (output.logits[:, -1:],)

    return Calls(whole=whole, prefill=prefill)


def forward_calls(model: Any, inputs: Mapping[str, torch.Tensor]) -> Calls:
    """One forward pass."""

    def whole() -> Any:
        with torch.inference_mode():
            return model(**inputs)

    return Calls(whole=whole)


def _takes(model: Any, name: str) -> bool:
    forward: Callable[..., Any] = getattr(model, "_orig_mod", model).forward
    return name in inspect.signature(forward).parameters
