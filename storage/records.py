"""What the ledger hands out and takes in: frozen records, never rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, get_args

Completion = Literal["stored", "repeated", "conflict"]
"""What became of a result: written; known already and equal; refused, because the trial ended otherwise."""


RecoveryKind = Literal["recovered", "random", "scratch"]
RECOVERY_KINDS: tuple[RecoveryKind, ...] = get_args(RecoveryKind)


class TrialState(StrEnum):
    """State of a trial; PROPOSED, RUNNING and PAUSED are open, the others final.

    A PAUSED one was stopped early and may be continued; its metrics are estimates.
    """

    PROPOSED = "PROPOSED"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    DONE = "DONE"
    FAILED = "FAILED"
    INFEASIBLE = "INFEASIBLE"
    DUPLICATE = "DUPLICATE"

    @property
    def is_final(self) -> bool:
        """Whether nothing can change the trial any more."""
        return self not in OPEN_STATES


OPEN_STATES = (TrialState.PROPOSED, TrialState.RUNNING, TrialState.PAUSED)


class StudyState(StrEnum):
    """State of a study as its driver last wrote it."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


@dataclass(frozen=True, kw_only=True, slots=True)
class StudyRecord:
    """A study; `epoch` counts its drivers, `fingerprint` names what it must be resumed with.

    Attributes:
        account: whose job made it; None for one that was made on this machine, by a command or from Python.
    """

    id: int
    name: str
    spec: dict[str, Any]
    spec_sha256: str
    fingerprint: dict[str, str]
    seed: int
    state: StudyState
    epoch: int
    created_at: datetime
    sampler_state: dict[str, Any]
    reason: str | None
    account: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class StudyStatus:
    """How a study stands, without what defines it: cheap to read, for those who read it often.

    Attributes:
        num_trials: that were proposed.
        is_held: whether a driver holds it now, by the clock of the database.
        last_event: id of its newest event; 0 without one.
    """

    id: int
    name: str
    state: StudyState
    reason: str | None
    account: str | None
    created_at: datetime
    num_trials: int
    is_held: bool
    last_event: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Proposal:
    """A sub-network to be evaluated, or one that is final at once: INFEASIBLE or DUPLICATE.

    Attributes:
        key: canonical key of the sub-network, unique within a study but for duplicates.
        costs: exact costs, known before anything is evaluated.
        origin: who asked for it, such as "sampler" or "seed:full".
        reused_from: number of the trial that a duplicate repeats.
        metrics: of a duplicate, those of the repeated trial.
    """

    key: str
    config: Mapping[str, Any]
    parameters: Mapping[str, int | float | str]
    sampler_attributes: Mapping[str, Any]
    costs: Mapping[str, float]
    origin: str
    state: TrialState = TrialState.PROPOSED
    reused_from: int | None = None
    metrics: Mapping[str, float] | None = None
    reason: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialRecord:
    """A trial.

    Attributes:
        metrics: results of a DONE trial and of its duplicates, estimates of a PAUSED one, else None.
        reason: why it failed, is infeasible, or was paused.
        told_order: counts from 0 the order in which trials of the study became final.
    """

    study_id: int
    number: int
    key: str
    config: dict[str, Any]
    parameters: dict[str, int | float | str]
    sampler_attributes: dict[str, Any]
    costs: dict[str, float]
    origin: str
    state: TrialState
    reused_from: int | None
    metrics: dict[str, float] | None
    reason: str | None
    message: str | None
    attempts: int
    told_order: int | None
    created_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialRow:
    """What a plot or a table needs of a trial, as in `TrialRecord`: cheap to read by the ten thousand."""

    number: int
    state: TrialState
    origin: str
    told_order: int | None
    reason: str | None
    metrics: dict[str, float] | None
    costs: dict[str, float]
    ended_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Results:
    """Numbers of DONE trials, and for each metric their values in the same order.

    Attributes:
        values: metrics of the trials, or else their costs; None where a trial has neither.
        next_order: from which on nothing was read.
    """

    numbers: tuple[int, ...]
    values: dict[str, tuple[float | None, ...]]
    next_order: int


@dataclass(frozen=True, kw_only=True, slots=True)
class AttemptRecord:
    """One dispatch of a trial; `outcome` is None while it runs, `seconds` what the worker reported."""

    study_id: int
    number: int
    attempt: int
    worker: str | None
    started_at: datetime
    ended_at: datetime | None
    outcome: str | None
    seconds: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class QualityRecord:
    """Quality of a sub-network of one supernet on the first `stage` examples of some data.

    Attributes:
        per_example: compact bytes of the score of each example, in order; the writer fixes the format.
        seconds: time that the evaluation took.
    """

    supernet_sha256: str
    key: str
    data_sha256: str
    stage: int
    metrics: Mapping[str, float]
    per_example: bytes | None = None
    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class LatencyRecord:
    """A latency measurement of a shape on a target.

    Attributes:
        samples: compact bytes of the raw samples; the writer fixes the format.
        valid: False when the measurement was disturbed; such rows are kept and never ranked.
        created_at: set by the database.
    """

    shape_key: str
    target: str
    workload_sha256: str
    statistics: Mapping[str, float]
    samples: bytes | None = None
    quality_flag: str
    device: Mapping[str, Any]
    valid: bool
    created_at: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RecoveryRecord:
    """A sub-network that was trained after the search, or a baseline trained at the same cost.

    Attributes:
        trial: number of the finalist; of a baseline, the finalist that it stands beside.
        kind: `recovered`, `random` (another sub-network of about the size) or `scratch` (the same one from
            random weights).
        key: of the sub-network that was trained.
        recipe: everything that decided the weights; `recipe_sha256` is its hash.
        metrics_before: empty where nothing was measured.
        weights_file: name within the study's folder of recovered weights.
        created_at: set by the database.
    """

    study_id: int
    trial: int
    kind: RecoveryKind
    key: str
    config: Mapping[str, Any]
    recipe: Mapping[str, Any]
    recipe_sha256: str
    metrics_before: Mapping[str, float]
    metrics_after: Mapping[str, float]
    passes: int
    examples: int
    seconds: float
    weights_file: str
    weights_sha256: str
    created_at: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class TargetRecord:
    """A named target; `definition` is the JSON that its writer reads back."""

    name: str
    definition: dict[str, Any]
    created_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class EventRecord:
    """One line of the append-only log; `job_id` is that of the job which it is about."""

    id: int
    study_id: int | None
    job_id: int | None
    at: datetime
    kind: str
    payload: dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Lease:
    """The right to propose, until `seconds` pass without renewal or a driver with a higher epoch comes."""

    study_id: int
    owner: str
    epoch: int
    seconds: float

    @property
    def subject(self) -> str:
        """What is held, for people."""
        return f"study {self.study_id}"
