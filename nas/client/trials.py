"""Trials and baselines as a service tells them."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Self


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
        rows = [(name, f"{value:,.6g}") for name, value in self.metrics.items()]
        title = f"Trial {self.number} ({self.state.lower()}): {self.architecture}"
        return html_table(title, ("metric", "value"), rows)


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
        return html_table("Comparison", ("metric", *titles), rows)


def html_table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table for a notebook; every text is escaped."""
    heads = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<h4>{html.escape(title)}</h4><table><tr>{heads}</tr>{body}</table>"
