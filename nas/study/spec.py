"""What a study is defined by, as stored with it."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from nas.errors import ConfigError
from nas.evaluation.target import Target
from nas.objectives import EXACT_METRICS, MEASURED_METRICS, Constraint, Objective, quality_metrics
from nas.racing import Racing
from search_spaces import ModelShape, SubnetConfig, Workload, cost

PACKAGES: Final = ("subnas", "torch", "transformers", "optuna", "ray", "sqlalchemy", "numpy")


@dataclass(frozen=True, kw_only=True)
class StudySpec:
    """Everything that a study's trials depend on, the weights and the data left out.

    Attributes:
        shape: the full model.
        space: the search space's identifying JSON.
        objectives: what is searched for, one to four.
        constraints: budgets.
        sampler: name of the sampler.
        seed: of every random choice.
        design: parts of the initial design.
        target: what latency is measured on, or None for no latency.
        workload: what operations and memory are counted at.
        deterministic: propose in batches of `parallel`, so that the history is the same in every run.
        parallel: size of such a batch.
        supernet: facts about the supernet: folder, task, ranking, provenance.
        racing: how evaluations are stopped early, or None for full ones.
    """

    shape: ModelShape
    space: Mapping[str, Any]
    objectives: tuple[Objective, ...]
    constraints: tuple[Constraint, ...]
    sampler: str
    seed: int
    design: tuple[str, ...]
    target: Target | None
    workload: Workload
    deterministic: bool
    parallel: int
    supernet: Mapping[str, Any]
    racing: Racing | None = None

    @cached_property
    def full_costs(self) -> dict[str, float]:
        """Exact costs of the full model."""
        return cost(self.shape, SubnetConfig.full(self.shape), self.workload).as_dict()

    @property
    def exact_constraints(self) -> tuple[Constraint, ...]:
        """Constraints that are known to hold or not before anything is evaluated."""
        return tuple(c for c in self.constraints if c.metric in EXACT_METRICS)

    @property
    def latency_constraints(self) -> tuple[Constraint, ...]:
        """Constraints on measured latency."""
        return tuple(c for c in self.constraints if c.metric in MEASURED_METRICS)

    @property
    def quality_metrics(self) -> tuple[str, ...]:
        """Metrics that objectives and constraints name and that only an evaluator can measure."""
        return quality_metrics(self.objectives, self.constraints)

    @property
    def latency_metrics(self) -> set[str]:
        """Latency metrics that an objective or constraint names."""
        named = {o.metric for o in self.objectives} | {c.metric for c in self.constraints}
        return named & set(MEASURED_METRICS)

    def costs(self, config: SubnetConfig) -> dict[str, float]:
        """Exact costs of a sub-network."""
        return cost(self.shape, config, self.workload).as_dict()

    def violations(
        self, metrics: Mapping[str, float], baseline: Mapping[str, float], constraints: Sequence[Constraint]
    ) -> dict[str, float]:
        """By constraint, how far it is broken; at most 0 where it holds."""
        return {str(c): c.violation(metrics[c.metric], baseline) for c in constraints if c.metric in metrics}

    def check_measured(self, metrics: Mapping[str, float]) -> None:
        """Refuse results that lack what an objective or a constraint names.

        Raises:
            ConfigError: with the missing metric and those that are there.
        """
        for metric in [*(o.metric for o in self.objectives), *(c.metric for c in self.constraints)]:
            if metric not in metrics:
                hint = self._hint(metric)
                raise ConfigError(f"{metric} was not measured; there is {', '.join(sorted(metrics))}{hint}")

    def _hint(self, metric: str) -> str:
        if metric not in self.latency_metrics:
            return ""
        if self.target is None:
            return "; give the study a target"
        return f"; target {self.target.name} does not tell it: see docs/latency.md"

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dict; `from_json` reads it back."""
        return {
            "shape": self.shape.to_json(),
            "space": dict(self.space),
            "objectives": [str(objective) for objective in self.objectives],
            "constraints": [str(constraint) for constraint in self.constraints],
            "sampler": self.sampler,
            "seed": self.seed,
            "design": list(self.design),
            "target": None if self.target is None else self.target.describe(),
            "workload": {
                "batch_size": self.workload.batch_size,
                "sequence_length": self.workload.sequence_length,
                "bytes_per_value": self.workload.bytes_per_value,
            },
            "deterministic": self.deterministic,
            "parallel": self.parallel,
            "supernet": dict(self.supernet),
            "racing": None if self.racing is None else self.racing.to_json(),
        }

    @staticmethod
    def from_json(record: Mapping[str, Any]) -> StudySpec:
        """Read what `to_json` wrote."""
        own = {c: o for c, o in record.items() if c in ("sampler", "seed", "deterministic", "parallel")}
        names = _own_metrics(record)
        return StudySpec(
            shape=ModelShape.from_json(record["shape"]),
            space=record["space"],
            objectives=tuple(Objective.parse(text, metrics=names) for text in record["objectives"]),
            constraints=tuple(Constraint.parse(text, metrics=names) for text in record["constraints"]),
            design=tuple(record["design"]),
            target=None if record["target"] is None else Target(**record["target"]),
            workload=Workload(**record["workload"]),
            supernet=record["supernet"],
            racing=None if record.get("racing") is None else Racing.from_json(record["racing"]),
            **own,
        )


def fingerprint(*, supernet_sha256: str, space_sha256: str, spec: StudySpec) -> dict[str, str]:
    """What a study must be resumed with; a mismatch is refused by name."""
    return {
        "supernet": supernet_sha256,
        "space": space_sha256,
        "objectives": _sha256([str(objective) for objective in spec.objectives]),
        "constraints": _sha256([str(constraint) for constraint in spec.constraints]),
        "target": _sha256(None if spec.target is None else spec.target.identity()),
        "search": _sha256(
            [spec.sampler, spec.seed, spec.design, spec.parallel if spec.deterministic else None]
        ),
        "racing": _sha256(None if spec.racing is None else spec.racing.to_json()),
    }


def package_versions() -> dict[str, str]:
    """Versions that a result depends on."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def _sha256(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _own_metrics(record: Mapping[str, Any]) -> tuple[str, ...]:
    """Metrics named by a stored study; they were checked when it was created."""
    texts = [*record["objectives"], *record["constraints"]]
    return tuple(text.split()[1] if text.split()[0] in ("max", "min") else text.split()[0] for text in texts)
