"""A measurement's statistics as metrics of a trial."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from nas.evaluation import Target
from nas.evaluation.generation_figures import generation_figures

#: Reported as they were measured, where the device tells them.
_AS_MEASURED: Final = ("peak_memory_bytes", "energy_joules")


@dataclass(frozen=True, kw_only=True)
class End:
    """Which end of intervals metrics are computed at.

    Attributes:
        whole: suffix of the whole call's ratio in statistics.
        prefill: suffix of its prompt's, where it counts by itself.
        subtracted: suffix of its prompt's, where it is subtracted from the whole.
    """

    whole: str = ""
    prefill: str = ""
    subtracted: str = ""


MIDDLE: Final = End()
OPTIMISTIC: Final = End(whole="_low", prefill="_low", subtracted="_high")


def figures_at(
    statistics: Mapping[str, float],
    reference_ms: float,
    first_token_ms: float,
    target: Target,
    *,
    end: End = MIDDLE,
) -> dict[str, float]:
    """Latency, figures of generation, memory and energy by the names that objectives know.

    Args:
        statistics: of a paired measurement, or of a calibration, which has `reference_ms`.
        reference_ms: the full model's whole call.
        first_token_ms: the full model's prompt; NaN unless tokens are generated.
        target: where it was measured.
        end: of the intervals.
    """
    extra = {name: statistics[name] for name in _AS_MEASURED if name in statistics}
    if "ratio" not in statistics:
        whole_ms = statistics["reference_ms"]
        first_ms = statistics.get("time_to_first_token_ms")
        decoding = {} if first_ms is None else generation_figures(whole_ms, first_ms, target)
        return {"latency_ratio": 1.0, "latency_ms": whole_ms, **decoding, **extra}
    ratio = statistics[f"ratio{end.whole}"]
    figures = {
        "latency_ratio": ratio,
        "latency_ratio_low": statistics["ratio_low"],
        "latency_ratio_high": statistics["ratio_high"],
        "latency_ms": ratio * reference_ms,
    }
    if "prefill_ratio" in statistics:
        subtracted_ms = statistics[f"prefill_ratio{end.subtracted}"] * first_token_ms
        figures |= generation_figures(ratio * reference_ms, subtracted_ms, target)
        figures["time_to_first_token_ms"] = statistics[f"prefill_ratio{end.prefill}"] * first_token_ms
    return figures | extra
