"""What takes the place of a removed sub-layer. Needs torch alone: exports copy these classes."""

from typing import Any

import torch
from torch import nn

# No class here has "Attention" in its name: transformers would take an exported file with one for code that
# does not follow its attention interface, and refuse `set_attn_implementation`.


class PassedMixer(nn.Module):
    """A post-norm attention sub-layer that was removed: the residual stream goes on, without a norm."""

    def forward(self, hidden_states: torch.Tensor, *_: Any, **__: Any) -> tuple[torch.Tensor, None]:
        """Hand on `hidden_states`, `(batch, sequence, hidden_size)`."""
        return hidden_states, None


class PassedOutput(nn.Module):
    """A post-norm feed-forward sub-layer that was removed: only the residual goes on."""

    def forward(self, hidden_states: torch.Tensor, input_tensor: torch.Tensor) -> torch.Tensor:
        """Hand on `input_tensor`, `(batch, sequence, hidden_size)`."""
        del hidden_states
        return input_tensor


class ZeroMixer(nn.Module):
    """A pre-norm attention sub-layer that was removed: it adds nothing to the residual stream.

    Its entry of a key-value cache grows by empty keys, so that the cache knows how many tokens it has seen;
    attention to an encoder's output caches nothing then.
    """

    layer_idx: int = 0

    def forward(self, hidden_states: torch.Tensor, *_: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Zeros of the shape of `hidden_states`, `(batch, sequence, hidden_size)`."""
        cache = kwargs.get("past_key_values", kwargs.get("layer_past"))
        cache = getattr(cache, "self_attention_cache", cache)
        if cache is not None and kwargs.get("key_value_states") is None:
            empty = hidden_states.new_zeros(hidden_states.shape[0], 1, hidden_states.shape[1], 1)
            cache.update(empty, empty, self.layer_idx)
        return torch.zeros_like(hidden_states), None


class PassedBiasedMixer(ZeroMixer):
    """A residual attention sub-layer that was removed, where blocks use the first one's position biases."""

    def forward(self, hidden_states: torch.Tensor, *_: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Hand on `hidden_states`, `(batch, sequence, hidden_size)`, and the position biases."""
        super().forward(hidden_states, **kwargs)
        return hidden_states, kwargs.get("position_bias"), None


class Zero(nn.Module):
    """A pre-norm feed-forward sub-layer that was removed: it adds nothing to the residual stream."""

    def forward(self, hidden_states: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
        """Zeros of the shape of `hidden_states`, `(batch, sequence, hidden_size)`."""
        return torch.zeros_like(hidden_states)


class Skipped(nn.Module):
    """A module before or after a removed sub-layer: it hands on what it gets."""

    def forward(self, hidden_states: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
        """Hand on `hidden_states`, `(batch, sequence, hidden_size)`."""
        return hidden_states
