"""What users of generation ask for, from the times of a whole call and of its prompt."""

from __future__ import annotations

from typing import Final

from nas.evaluation.target import Target

_MS_PER_S: Final = 1000.0


def generation_figures(whole_ms: float, prefill_ms: float, target: Target) -> dict[str, float]:
    """Figures of one call that reads a prompt and generates `target.decode_length` tokens after the first.

    Args:
        whole_ms: of the whole call.
        prefill_ms: of its part up to the first token.
        target: says how many tokens and rows.

    Returns:
        `time_to_first_token_ms`; and unless the two times are too noisy to tell them apart,
        `time_per_output_token_ms` of the tokens after the first, `tokens_per_second` of one row, and
        `batch_tokens_per_second` of all rows together.
    """
    figures = {"time_to_first_token_ms": prefill_ms}
    rest_ms = whole_ms - prefill_ms
    if rest_ms > 0:
        each_ms = rest_ms / target.decode_length
        figures |= {
            "time_per_output_token_ms": each_ms,
            "tokens_per_second": _MS_PER_S / each_ms,
            "batch_tokens_per_second": target.batch_size * _MS_PER_S / each_ms,
        }
    return figures
