"""What a generating model must write: greedy tokens, as far as they do not hang on rounding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from transformers import GenerationMixin, PreTrainedModel

from nas.export.samples import Size, max_length, prompt_of, sample_inputs

#: Tokens to generate; the first that is hardly likelier than another ends the comparison.
NEW_TOKENS: Final = 8
_PROMPT: Final = Size(batch=2, length=4)


@dataclass(frozen=True, kw_only=True)
class Generation:
    """A prompt, and the tokens that greedy generation must add to it.

    Attributes:
        prompt: inputs by name, rows of equal length.
        tokens: `(batch, new tokens)`.
    """

    prompt: Mapping[str, torch.Tensor]
    tokens: torch.Tensor

    @property
    def options(self) -> dict[str, Any]:
        """Arguments of `generate` that give these tokens, JSON-ready."""
        return greedy(int(self.tokens.shape[1]))


def greedy(number: int) -> dict[str, Any]:
    """Arguments of `generate` for the best token at each of `number` steps; the end token never is."""
    return {"max_new_tokens": number, "min_new_tokens": number, "do_sample": False, "num_beams": 1}


def generation_of(model: Any, tolerance: float) -> Generation | None:
    """Generate greedily without a key-value cache; None for a model that does not generate.

    Args:
        model: an active sub-network in float32.
        tolerance: differences of scores, relative to the largest, that may turn one token into another.
    """
    if not isinstance(model, PreTrainedModel) or not model.can_generate():
        return None
    number = min(NEW_TOKENS, max_length(model.config) - _PROMPT.length)
    if number < 1:
        return None
    prompt = prompt_of(sample_inputs(model, _PROMPT, is_padded=False))
    generator: Any = GenerationMixin  # Whisper's own `generate` wants languages and timestamps
    outputs = generator.generate(
        model, **prompt, **greedy(number), use_cache=False, output_scores=True, return_dict_in_generate=True
    )
    certain = _certain_steps(outputs.scores, tolerance)
    begin = outputs.sequences.shape[1] - len(outputs.scores)
    tokens = outputs.sequences[:, begin : begin + certain].clone()
    return Generation(prompt=prompt, tokens=tokens) if certain else None


def _certain_steps(scores: Sequence[torch.Tensor], tolerance: float) -> int:
    """Leading steps whose best token stands clear of the second in every row."""
    for step, row in enumerate(scores):
        best = row.topk(2, dim=-1).values
        largest = max(1.0, float(row[row.isfinite()].abs().max()))
        if float((best[:, 0] - best[:, 1]).min()) <= 2 * tolerance * largest:
            return step
    return len(scores)
