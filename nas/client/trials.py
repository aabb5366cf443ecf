"""Trials and baselines as a service tells them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Self

from nas.report.tables import html_table, trial_table


@dataclass(frozen=True, kw_only=True, slots=True)
class RemoteSizes:
    """Sizes of a sub-network as tables show them; a range such as `8-12` where kept layers differ."""

    layers: str
    heads: str
    ffn: str
    hidden: str


@dataclass(frozen=True, kw_only=True)
class RemoteTrial:
    """A sub-network of a study at a service; the attributes are those of `nas.Trial`.

    Attributes:
        id: `STUDY@NUMBER`.
        state: PROPOSED, RUNNING, PAUSED, DONE, FAILED, INFEASIBLE or DUPLICATE.
        metrics: costs and measurements by name; estimates of a paused trial.
        violations: by constraint, how far it is broken; at most 0 where it holds.
    """

    id: str
    number: int
    state: str
    origin: str
    architecture: str
    portability: str
    parameters: Mapping[str, int]
    metrics: Mapping[str, float]
    violations: Mapping[str, float]
    is_feasible: bool
    reason: str | None
    sizes: RemoteSizes

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """A trial of an answer; members that this version does not know are left out."""
        return cls(
            id=record["id"],
            number=record["number"],
            state=record["state"],
            origin=record["origin"],
            architecture=record["architecture"],
            portability=record["portability"],
            parameters=MappingProxyType(dict(record["parameters"])),
            metrics=MappingProxyType(dict(record["metrics"])),
            violations=MappingProxyType(dict(record["violations"])),
            is_feasible=record["is_feasible"],
            reason=record["reason"],
            sizes=RemoteSizes(**{key: record["sizes"][key] for key in ("layers", "heads", "ffn", "hidden")}),
        )

    @property
    def study(self) -> str:
        """Name of its study."""
        return self.id.rpartition("@")[0]

    def to_json(self) -> dict[str, Any]:
        """The members of the service's answer as `nas.Trial` has them."""
        return {
            "id": self.id,
            "number": self.number,
            "state": self.state,
            "origin": self.origin,
            "architecture": self.architecture,
            "portability": self.portability,
            "parameters": dict(self.parameters),
            "metrics": dict(self.metrics),
            "violations": dict(self.violations),
            "is_feasible": self.is_feasible,
            "reason": self.reason,
        }

    def _repr_html_(self) -> str:
        return trial_table(self.number, self.state, self.architecture, self.metrics)


@dataclass(frozen=True, kw_only=True)
class RemoteComparison:
    """Trials side by side, with what needed no search.

    Attributes:
        cost: metric by which the uniform ones are the nearest.
        full: the full model; None before it was evaluated.
        uniform: for each trial, the uniformly pruned one that costs about as much, if there is one.
    """

    trials: tuple[RemoteTrial, ...]
    cost: str
    full: RemoteTrial | None
    uniform: tuple[RemoteTrial | None, ...]

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """A comparison of an answer."""
        return cls(
            trials=tuple(map(RemoteTrial.from_json, record["trials"])),
            cost=record["cost"],
            full=None if record["full"] is None else RemoteTrial.from_json(record["full"]),
            uniform=tuple(None if one is None else RemoteTrial.from_json(one) for one in record["uniform"]),
        )

    def _repr_html_(self) -> str:
        titles = [f"trial {trial.number}" for trial in self.trials]
        names = sorted({name for trial in self.trials for name in trial.metrics})
        rows = [
            (name, *(f"{t.metrics[name]:,.6g}" if name in t.metrics else "" for t in self.trials))
            for name in names
        ]
        return html_table("Comparison", rows, head=("metric", *titles))
