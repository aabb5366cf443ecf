"""The reading half of a study: everything in it comes from its database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from nas.errors import InfeasibleError
from nas.evaluation import Target
from nas.objectives import Constraint, Objective, parse_constraints
from nas.progress import Progress, no_progress
from nas.study.display import study_html, trials_dataframe
from nas.study.history import baseline_metrics, normalised_hypervolume, reference_point, trial_of
from nas.study.ledger_errors import translated
from nas.study.live_front import LiveFront
from nas.study.recovery import Recovery, recovered_trials, recovery_of
from nas.study.selection import within_budget
from nas.study.spec import StudySpec, package_versions
from nas.study.stored_config import store_config, stored_config
from nas.study.trial import Trial
from search_spaces import ModelShape, SearchSpace, SubnetConfig
from storage import Ledger, StudyState, TrialState

if TYPE_CHECKING:
    import optuna

    from nas.export import ExportReport
    from nas.study.replay import ReplayReport
    from nas.supernet import Supernet

DEFAULT_ARTIFACTS: Final = Path("artifacts")


class StoredStudy:
    """A study as its database knows it; `Study` adds what changes it.

    Attributes:
        name: unique within the database.
        spec: what it is defined by.
        supernet: the supernet, or None.
        artifacts: folder that recovered weights are written to and read from, below the study's name.
    """

    def __init__(
        self,
        ledger: Ledger,
        name: str,
        spec: StudySpec,
        *,
        supernet: Supernet | None = None,
        space: SearchSpace | None = None,
        artifacts: str | Path = DEFAULT_ARTIFACTS,
    ) -> None:
        self._ledger = ledger
        self.name = name
        self.spec = spec
        self.supernet = supernet
        self.artifacts = Path(artifacts)
        self._space = space
        self._live_front = LiveFront(self)

    @property
    def trials(self) -> list[Trial]:
        """All trials by number."""
        with translated():
            records = self._ledger.trials(self._id)
        baseline = baseline_metrics(self.spec, records)
        return [trial_of(self, self.spec, record, baseline) for record in records]

    def each_trial(self) -> Iterator[Trial]:
        """All trials by number, read as they are asked for: they need not fit into memory."""
        baseline, study_id = self.baseline, self._id
        with translated():
            for record in self._ledger.each_trial(study_id):
                yield trial_of(self, self.spec, record, baseline)

    def trial(self, number: int) -> Trial:
        """One trial."""
        with translated():
            record = self._ledger.trial(self._id, number)
        return trial_of(self, self.spec, record, self.baseline)

    def trials_numbered(self, numbers: Iterable[int]) -> list[Trial]:
        """The trials of these numbers, which costs as many reads however large the study is."""
        baseline, study_id = self.baseline, self._id
        with translated():
            records = [self._ledger.trial(study_id, number) for number in numbers]
        return [trial_of(self, self.spec, record, baseline) for record in records]

    @property
    def baseline(self) -> dict[str, float]:
        """Metrics of the full model as far as they are known."""
        with translated():
            full = self._ledger.trial_by_key(self._id, SubnetConfig.full(self.spec.shape).key)
        return baseline_metrics(self.spec, [] if full is None else [full])

    @property
    def best_trials(self) -> list[Trial]:
        """The Pareto front, the best in the first objective first.

        Latencies whose intervals overlap are ties: being faster by less keeps no trial that is worse in the
        rest, and removes none that is equal. Reads what ended since it was last asked for.
        """
        with translated():
            return self._live_front.trials(self._ledger, self._id)

    @property
    def recoveries(self) -> list[Recovery]:
        """Recovered sub-networks and their baselines, oldest first."""
        with translated():
            records = self._ledger.recoveries(self._id)
        return [recovery_of(self, record) for record in records]

    def best(self, where: str | Sequence[str] = (), *, recovered: bool = False) -> Trial:
        """The best trial in the first objective that meets the study's budgets and more.

        Args:
            where: constraints such as `latency_ms <= 6`.
            recovered: choose among recovered sub-networks, by their scores after recovery.

        Raises:
            InfeasibleError: none does; it names the binding constraint and the nearest trial.
        """
        return self.select(where, recovered=recovered)[0]

    def select(self, where: str | Sequence[str] = (), *, recovered: bool = False) -> list[Trial]:
        """Every trial that meets the study's budgets and more, the best in the first objective first.

        Args:
            where: constraints such as `latency_ms <= 6`.
            recovered: choose among recovered sub-networks, by their scores after recovery.

        Raises:
            InfeasibleError: none does; it names the binding constraint and the nearest trial.
        """
        texts = [where] if isinstance(where, str) else list(where)
        trials = [t for t in self.trials if t.state is TrialState.DONE and t.values is not None]
        if recovered:
            trials = recovered_trials(trials, self.recoveries)
        names = sorted({name for trial in trials for name in trial.metrics})
        constraints = [*self.constraints, *parse_constraints(texts, metrics=names)]
        if not trials:
            kind, how = ("recovered", "call recover()") if recovered else ("evaluated", "run it")
            raise InfeasibleError(f"study {self.name!r} has no {kind} sub-network yet; {how} first")
        return within_budget(trials, self.objectives, constraints, self.baseline)

    @property
    def hypervolume(self) -> float | None:
        """Share of the box between the declared reference and the ideal that feasible trials dominate.

        All count at their point values, ties in latency too. The reference is 0 of what is maximised and 1.1
        times the full model of what is minimised. None until the full model was evaluated.
        """
        return normalised_hypervolume(self.trials, self.objectives, self.baseline)

    @property
    def reference_point(self) -> list[float] | None:
        """The hypervolume's reference, smaller meaning better; None before the full model was measured."""
        return reference_point(self.objectives, self.baseline)

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """What is searched for."""
        return self.spec.objectives

    @property
    def constraints(self) -> tuple[Constraint, ...]:
        """Budgets."""
        return self.spec.constraints

    @property
    def shape(self) -> ModelShape:
        """Shape of the full model."""
        return self.spec.shape

    @property
    def target(self) -> Target | None:
        """What latency is measured on."""
        return self.spec.target

    @property
    def state(self) -> StudyState:
        """Where the search stands."""
        with translated():
            return self._ledger.study(self.name).state

    @property
    def optuna(self) -> optuna.Study:
        """The real Optuna study, rebuilt in memory with all trials: for its plots and importances."""
        from nas.study.optuna_view import optuna_study

        return optuna_study(self._ledger.trials(self._id), self.spec, self.baseline, self.name)

    def export_optuna(
        self, url: str, *, name: str | None = None, overwrite: bool = False, progress: Progress = no_progress
    ) -> int:
        """Write the study into an Optuna database, for its dashboard and tools; the number of trials.

        Args:
            url: of an SQLite file or PostgreSQL; tables are made if needed.
            name: of the study there; its own unless given.
            overwrite: replace a study of that name.
            progress: told the trials done and their total.

        Raises:
            ConfigError: the name is taken, or the URL is not allowed.
            StorageError: the database cannot be used.
        """
        from storage.optuna_export import export_to_optuna

        facts = {"nas:study": self.name, "nas:sampler": self.spec.sampler, "nas:seed": self.spec.seed}
        with translated():
            return export_to_optuna(
                url,
                self.optuna,
                name=name or self.name,
                attributes=facts,
                is_overwritten=overwrite,
                progress=progress,
            )

    def trials_dataframe(self) -> Any:
        """All trials as a pandas DataFrame (extra `data`)."""
        return trials_dataframe(self.trials)

    @property
    def plot(self) -> Any:
        """Pictures of the study: `study.plot.pareto()`, `study.plot.write_front(path)`."""
        from nas.study.plots import StudyPlots

        return StudyPlots(self)

    def report(self, path: str | Path) -> Path:
        """Write what the database tells of the study as one HTML file that needs no network.

        Raises:
            ConfigError: there is something to draw, but the extra `report` is not installed.
        """
        from nas.study.report import write_report

        return write_report(self, self._ledger, path)

    def replay(self, *, stop_early: bool = False, progress: Progress = no_progress) -> ReplayReport:
        """Recompute every proposal from the log, and compare it with what was stored.

        Args:
            stop_early: end after the first one that differs.
            progress: told the trials done and their total.

        Raises:
            StorageError: the log names a trial that is not stored.
        """
        from nas.study.replay import replay_study

        with translated():
            return replay_study(self._ledger, self.name, self.spec, stop_early=stop_early, progress=progress)

    def export(self, trial: Trial | int, folder: str | Path, **options: Any) -> ExportReport:
        """Write a trial's sub-network as a model folder, proven equal to what was searched.

        Args:
            trial: a trial or its number.
            folder: where to.
            options: of `nas.export_subnet`.

        Raises:
            ExportVerificationError: the folder is not equal, or breaks a budget; nothing is left behind.
        """
        from nas.study.exporting import export_trial

        chosen = self.trial(trial) if isinstance(trial, int) else trial
        return export_trial(self, chosen, Path(folder), **options)

    def evaluators(self) -> list[dict[str, Any]]:
        """What quality was measured with: data, metrics, precision and package versions of each run."""
        with translated():
            events = self._ledger.events(self._id, limit=1_000_000, kind="evaluator")
        return [event.payload for event in events]

    @property
    def config(self) -> dict[str, Any] | None:
        """The newest resolved config that the study was run with, no password in it; None without one."""
        with translated():
            return stored_config(self._ledger, self._id)

    def store_config(self, config: Mapping[str, Any]) -> None:
        """Keep a resolved config with the study, unless it is the newest already."""
        with translated():
            store_config(self._ledger, self._id, config, package_versions())

    def device_of_target(self) -> dict[str, Any] | None:
        """Fingerprint of the device that latency was last measured on; None before."""
        if self.spec.target is None:
            return None
        with translated():
            records = self._ledger.latencies(
                target=self.spec.target.device_id, workload_sha256=self.spec.target.workload_sha256
            )
        return dict(records[-1].device) if records else None

    def _repr_html_(self) -> str:
        return study_html(self)

    @property
    def _id(self) -> int:
        return self._ledger.study(self.name).id
