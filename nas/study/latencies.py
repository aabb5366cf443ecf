"""Latencies of a study: what is known already, what workers measured, and their figures as metrics."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from nas.errors import EvaluationFailedError
from nas.evaluation import LatencyEvaluation, LatencyResult, Target, shape_key
from nas.evaluation.latency import half_width
from nas.study.latency_metrics import OPTIMISTIC, figures_at
from nas.study.measuring_device import MeasuringDevice
from nas.study.offline import unmeasured
from nas.study.replies import checked_latency
from search_spaces import ModelShape, SubnetConfig
from storage import LatencyRecord, Ledger
from workers import PairedSamples, Pool, Task

#: A measurement that others disturbed, or that is too imprecise to rank by, is tried so often.
LATENCY_TRIES: Final = 3
#: A disturbed measurement is not repeated if its ratio is known this well, as a share of it or of the full
#: model.
SETTLED_PRECISION: Final = 0.02
SETTLED_HALF_WIDTH: Final = 0.0025
POLL_SECONDS: Final = 1.0
#: Number of a task that measures outside any trial.
NO_TRIAL: Final = -1


class Latencies:
    """The latency lane as the driver sees it.

    Attributes:
        reference_ms: the full model's latency, which ratios are multiplied by; set once it is known.
    """

    def __init__(self, ledger: Ledger, shape: ModelShape, evaluation: LatencyEvaluation) -> None:
        self._ledger, self._shape, self._evaluation = ledger, shape, evaluation
        self._full = SubnetConfig.full(shape)
        self._device = MeasuringDevice(evaluation.target)
        self._first_token_ms = math.nan
        self.reference_ms = math.nan

    def known(self, config: SubnetConfig) -> LatencyRecord | None:
        """The newest usable measurement of a sub-network's shape, of whichever study.

        None too while it is not known which device measures.
        """
        if self._device.id is None:
            return None
        record = self._ledger.latency(
            shape_key(self._shape, config), self._device.id, self._evaluation.target.workload_sha256
        )
        if record is not None:
            self._device.rely()
            self._notice(config, record)
        return record

    def _notice(self, config: SubnetConfig, record: LatencyRecord) -> None:
        """Take what ratios of prompts are multiplied by from the full model's measurement."""
        if config == self._full:
            self._first_token_ms = record.statistics.get("time_to_first_token_ms", math.nan)

    def task(self, number: int, config: SubnetConfig) -> Task:
        """What a worker must measure: the full model alone, any other shape beside it."""
        payload = None if config == self._full else config.to_json()
        target, protocol = self._evaluation.target, self._evaluation.protocol
        parts = 2 if target.decode_length else 1  # the prompt is timed apart from the whole
        timeout_s = target.setup_seconds + 10 * parts * protocol.max_seconds
        return Task(number=number, payload=payload, lane="latency", timeout_s=timeout_s)

    def checked(self, config: SubnetConfig, reply: object) -> LatencyResult:
        """What a worker answered for a shape.

        Raises:
            EvaluationFailedError: it cannot be.
        """
        return checked_latency(reply, is_full_model=config == self._full)

    def store(self, config: SubnetConfig, result: LatencyResult) -> LatencyRecord:
        """Keep a measurement, a disturbed one too.

        Raises:
            EvaluationFailedError: another device measured it than what is known of this study's target.
        """
        record = LatencyRecord(
            shape_key=shape_key(self._shape, config),
            target=self._device.measured_by(result.device),
            workload_sha256=self._evaluation.target.workload_sha256,
            statistics=result.statistics,
            samples=result.samples,
            quality_flag=result.flag,
            device=result.device,
            valid=result.is_usable,
        )
        self._ledger.put_latency(record)
        self._notice(config, record)
        return record

    def metrics(self, record: LatencyRecord) -> dict[str, float]:
        """A measurement as metrics; the full model is its own reference."""
        metrics = {"latency_is_quiet": float(record.quality_flag == "ok")}
        metrics |= figures_at(record.statistics, self.reference_ms, self._first_token_ms, self._target)
        if record.samples is not None:
            cpu_ms = sorted(PairedSamples.from_bytes(record.samples).candidate_cpu_ms.tolist())
            if cpu_ms[0] > 0:  # a GPU has no such clock
                metrics["cpu_latency_ms"] = cpu_ms[len(cpu_ms) // 2]
        return metrics

    def optimistic(self, record: LatencyRecord) -> dict[str, float]:
        """Metrics at the lower end of the ratio's interval."""
        low = figures_at(
            record.statistics, self.reference_ms, self._first_token_ms, self._target, end=OPTIMISTIC
        )
        return self.metrics(record) | low

    @property
    def _target(self) -> Target:
        return self._evaluation.target

    @property
    def is_offline(self) -> bool:
        """Whether the device is out of reach: nothing is measured then, there is what was imported."""
        return self._device.is_offline

    def measure(self, config: SubnetConfig, pool: Pool) -> LatencyRecord:
        """Measure a shape outside any trial, while nothing else is in flight.

        Raises:
            EvaluationFailedError: it could not be measured, or stayed disturbed.
            TargetUnavailableError: the device is out of reach.
        """
        if self.is_offline:
            raise unmeasured(self._target, is_full=config == self._full)
        records: list[LatencyRecord] = []
        while not is_settled(records):
            result = self._measure_once(config, pool)
            if self._device.id is None:
                self._device.measured_by(result.device)
                known = self.known(config)
                if known is not None:  # by which earlier runs of the study are ranked
                    return known
            records.append(self.store(config, result))
        best = best_of(records)
        if not best.valid:
            raise EvaluationFailedError(f"latency cannot be measured: {disturbed(records)}", "timeout")
        return best

    def _measure_once(self, config: SubnetConfig, pool: Pool) -> LatencyResult:
        pool.submit(self.task(NO_TRIAL, config))
        while True:
            for completion in pool.wait(POLL_SECONDS):
                if completion.task.number != NO_TRIAL or completion.retrying:
                    continue
                if completion.failure is not None:
                    failure = completion.failure
                    raise EvaluationFailedError(
                        f"latency cannot be measured: {failure.message}", failure.reason
                    )
                return self.checked(config, completion.result)


def is_settled(records: Sequence[LatencyRecord]) -> bool:
    """Whether a shape needs no further measurement: the last one is good, or tries are used up."""
    if not records or len(records) >= LATENCY_TRIES:
        return bool(records)
    last = records[-1]
    return last.valid and (last.quality_flag != "contended" or _is_precise(last.statistics))


def _is_precise(statistics: Mapping[str, float]) -> bool:
    if "ratio" not in statistics:
        return False
    return half_width(statistics) <= max(SETTLED_PRECISION * statistics["ratio"], SETTLED_HALF_WIDTH)


def best_of(records: Sequence[LatencyRecord]) -> LatencyRecord:
    """The measurement to rank by: usable, then undisturbed, then the most precise."""
    return min(records, key=lambda r: (not r.valid, r.quality_flag == "contended", _relative_width(r)))


def disturbed(records: Sequence[LatencyRecord]) -> str:
    """What to tell when no measurement was usable."""
    tries = "one try" if len(records) == 1 else f"{len(records)} tries"
    return (
        f"it stayed {best_of(records).quality_flag} in {tries}; run on a quieter machine, or measure longer"
    )


def _relative_width(record: LatencyRecord) -> float:
    figures = record.statistics
    low, middle, high = (
        ("ratio_low", "ratio", "ratio_high")
        if "ratio" in figures
        else ("reference_low_ms", "reference_ms", "reference_high_ms")
    )
    return (figures[high] - figures[low]) / figures[middle]
