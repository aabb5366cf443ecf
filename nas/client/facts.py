"""Studies, jobs, exports and targets as one answer of a service tells them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final, Self

from nas.client.trials import RemoteTrial
from nas.report.tables import cost_table, html_table

#: What a job does while somebody sees to it, or will.
_GOING: Final = ("queued", "running", "pausing", "stopping")
_FINAL: Final = ("completed", "failed", "cancelled")


@dataclass(frozen=True, kw_only=True)
class StudyFacts:
    """A study as it stood when it was asked for.

    Attributes:
        num_evaluated: trials whose evaluation ended.
        num_front: members of the Pareto front.
        hypervolume: share of the box between reference and ideal; None before the full model was measured.
        best: the best within the budgets, None where there is none.
        job_id: its newest job.
        is_live: whether it runs now.
    """

    name: str
    state: str
    model: str | None
    task: str | None
    target: str | None
    objectives: tuple[str, ...]
    constraints: tuple[str, ...]
    num_trials: int
    num_evaluated: int
    num_front: int
    hypervolume: float | None
    best: RemoteTrial | None
    created_at: datetime
    job_id: int | None
    is_live: bool
    account: str | None = None

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """A study of an answer."""
        best = record["best"]
        return cls(
            **_known(cls, record, but=("objectives", "constraints", "best", "created_at", "target")),
            target=_name_of(record["target"]),
            objectives=tuple(record["objectives"]),
            constraints=tuple(record["constraints"]),
            best=None if best is None else RemoteTrial.from_json(best),
            created_at=datetime.fromisoformat(record["created_at"]),
        )


@dataclass(frozen=True, kw_only=True)
class JobFacts:
    """A job as it stood when it was asked for.

    Attributes:
        status: queued, running, pausing, stopping, paused, completed, failed, cancelled or lost.
        trials: total of sub-networks to evaluate; None of a job without trials.
        num_done: of them, how many were evaluated.
        num_total: what `num_done` is out of.
        exit_code: of its search, once it is over.
    """

    id: int
    kind: str
    study: str
    status: str
    trials: int | None
    restarts: int
    exit_code: int | None
    reason: str | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    num_done: int
    num_total: int
    account: str | None = None

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """A job of an answer."""
        progress = record.get("progress") or {}
        return cls(
            **_known(cls, record, but=("created_at", "started_at", "ended_at")),
            started_at=_time(record["started_at"]),
            ended_at=_time(record["ended_at"]),
            created_at=datetime.fromisoformat(record["created_at"]),
            num_done=int(progress.get("done") or 0),
            num_total=int(progress.get("total") or record["trials"] or 0),
        )

    @property
    def is_over(self) -> bool:
        """Whether nobody sees to it any more, or not before it is resumed."""
        return self.status not in _GOING

    @property
    def is_final(self) -> bool:
        """Whether it will never go on."""
        return self.status in _FINAL

    def _repr_html_(self) -> str:
        rows = [
            ("study", self.study),
            ("status", f"{self.status}: {self.reason}" if self.reason else self.status),
            ("trials", f"{self.num_done} of {self.num_total}"),
        ]
        return html_table(f"Job {self.id} ({self.kind})", rows)


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """A file of an export."""

    name: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class RemoteTarget:
    """A target as a service tells it.

    Attributes:
        record: every member of the answer, as `nas targets ls --json` prints it.
    """

    name: str
    record: Mapping[str, Any]

    def _repr_html_(self) -> str:
        rows = [
            (key, str(value)) for key, value in self.record.items() if not isinstance(value, (dict, list))
        ]
        return html_table(f"Target {self.name}", rows)


@dataclass(frozen=True, kw_only=True)
class RemoteProfile:
    """Costs over a space; the attributes are those of `nas.Profile`."""

    space: str
    cardinality: int
    costs: Mapping[str, Mapping[str, float]]
    satisfiable: Mapping[str, float]
    unknown: tuple[str, ...]

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """A profile of an answer."""
        return cls(
            space=record["space"],
            cardinality=int(record["cardinality"]),
            costs=record["costs"],
            satisfiable=record["satisfiable"],
            unknown=tuple(record["unknown"]),
        )

    def to_json(self) -> dict[str, Any]:
        """As `nas space profile --json` prints it."""
        return {
            "space": self.space,
            "cardinality": self.cardinality,
            "costs": {point: dict(costs) for point, costs in self.costs.items()},
            "satisfiable": dict(self.satisfiable),
            "unknown": list(self.unknown),
        }

    def _repr_html_(self) -> str:
        return cost_table(self.space, self.cardinality, self.costs)


@dataclass(frozen=True, kw_only=True)
class HypervolumeStep:
    """A trial that enlarged the hypervolume.

    Attributes:
        told: trials that had become final by then.
        value: hypervolume from then on.
    """

    number: int
    told: int
    at: datetime
    value: float

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """A step of an answer."""
        return cls(**_known(cls, record, but=("at",)), at=datetime.fromisoformat(record["at"]))


@dataclass(frozen=True, kw_only=True)
class JobEvent:
    """Something that happened to a job or its study.

    Attributes:
        id: number in the service's log; later events have greater ones.
        kind: what happened, such as `trial_completed`.
        payload: facts of it.
    """

    id: int
    at: datetime
    kind: str
    payload: Mapping[str, Any]

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """An event of an answer."""
        return cls(**_known(cls, record, but=("at",)), at=datetime.fromisoformat(record["at"]))


def _known(kind: type[Any], record: Mapping[str, Any], *, but: tuple[str, ...]) -> dict[str, Any]:
    """Members that are fields of a class, without those that need to be read in another way."""
    return {one.name: record[one.name] for one in fields(kind) if one.name in record and one.name not in but}


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _name_of(target: Any) -> str | None:
    return target.get("name") if isinstance(target, Mapping) else target
