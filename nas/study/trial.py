"""A trial as users see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.report.tables import trial_table
from nas.study.architecture import ShortSizes, short_sizes
from search_spaces import Portability, SubnetConfig, portability
from storage import TrialState

if TYPE_CHECKING:
    from nas.export import ExportReport
    from nas.study.recovery import Recovery
    from nas.study.stored_study import StoredStudy


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A sub-network of a study and what is known about it.

    Attributes:
        number: within the study, from 0.
        key: canonical key of the sub-network.
        config: its kept units.
        parameters: flat parameters of the search space; empty for a sub-network outside it.
        state: PROPOSED, RUNNING, PAUSED (stopped early as dominated; the metrics are estimates), DONE,
            FAILED, INFEASIBLE (a cost breaks a budget; never evaluated) or DUPLICATE.
        origin: who asked for it: `sampler`, `seed:…` or `baseline:…`.
        metrics: costs and measurements by name; estimates of a paused trial.
        values: those of the objectives in their order, or None where one is missing or only estimated.
        violations: by constraint, how far it is broken; at most 0 where it holds.
        reason: why it failed, is infeasible or was paused.
        attempts: evaluations begun.
    """

    number: int
    key: str
    config: SubnetConfig
    parameters: Mapping[str, int]
    state: TrialState
    origin: str
    metrics: Mapping[str, float]
    values: tuple[float, ...] | None
    violations: Mapping[str, float]
    reason: str | None = None
    attempts: int = 0
    study: StoredStudy = field(repr=False, compare=False)

    @property
    def is_feasible(self) -> bool:
        """Whether it was evaluated and every budget holds."""
        return self.values is not None and all(violation <= 0 for violation in self.violations.values())

    @property
    def portability(self) -> Portability:
        """`plain` loads with the stock class, `custom-code` needs the modelling file of its export."""
        return portability(self.study.shape, self.config)

    @property
    def sizes(self) -> ShortSizes:
        """Sizes as tables show them."""
        return short_sizes(self.study.shape, self.config)

    @property
    def architecture(self) -> str:
        """Sizes in short, e.g. `4 layers, 8-12 heads, FFN 768, hidden 384`.

        An encoder-decoder has `6+2 layers`, grouped-query attention `9/3 heads`: query and key-value heads.
        """
        return str(self.sizes)

    @property
    def recovered(self) -> Recovery | None:
        """The best recovery of the sub-network, None if there was none."""
        from nas.study.recovery import best_recovery

        return best_recovery(self.study, self.study.recoveries, self.key)

    def to_json(self) -> dict[str, Any]:
        """Everything that is known of it, JSON-ready, its kept units left out."""
        return {
            "id": f"{self.study.name}@{self.number}",
            "number": self.number,
            "state": self.state.value,
            "origin": self.origin,
            "architecture": self.architecture,
            "portability": self.portability,
            "parameters": dict(self.parameters),
            "metrics": dict(self.metrics),
            "violations": dict(self.violations),
            "is_feasible": self.is_feasible,
            "reason": self.reason,
        }

    def export(self, folder: str | Path, **options: Any) -> ExportReport:
        """Write the sub-network as a model folder and prove it equal; see `nas.export_subnet`."""
        return self.study.export(self, folder, **options)

    def skyline(self, *, title: str = "Sub-network") -> str:
        """The architecture as an SVG picture beside the full model's outline."""
        from nas.report import subnet_skyline

        return subnet_skyline(self.study.shape, self.config, title=title)

    def _repr_html_(self) -> str:
        picture = self.skyline()
        return trial_table(self.number, self.state.value, self.architecture, self.metrics, picture=picture)
