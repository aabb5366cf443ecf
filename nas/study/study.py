"""The study that users hold."""

from __future__ import annotations

import html
import logging
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.errors import ConfigError, InfeasibleError
from nas.evaluation import Evaluator, LatencyEvaluation, Target
from nas.objectives import Constraint, Objective, parse_constraints
from nas.progress import progress_bar
from nas.study.asking import Asking
from nas.study.driver import Limits, SearchDriver
from nas.study.history import (
    baseline_metrics,
    front_of,
    normalised_hypervolume,
    reference_point,
    trial_of,
)
from nas.study.ledger_errors import translated
from nas.study.profile import Profile, profile, require_feasible
from nas.study.reporting import Callback, Reporter
from nas.study.running import as_evaluator, drive, settle
from nas.study.selection import within_budget
from nas.study.session import Session
from nas.study.spec import StudySpec
from nas.study.trial import Trial
from nas.supernet import Supernet
from search_spaces import ModelShape, SearchSpace, SubnetConfig
from storage import Ledger, StudyState, TrialState
from workers import LatencyProtocol, Pool, SerialPool

if TYPE_CHECKING:
    import optuna

    from nas.export import ExportReport

logger = logging.getLogger(__name__)


class Study:
    """A search over the sub-networks of one supernet; everything it knows is in its database.

    Made by `nas.create_study` and `nas.load_study`. Loaded without a supernet it can be read, not run.

    Attributes:
        name: unique within the database.
        spec: what it is defined by.
        supernet: the supernet, or None.
    """

    def __init__(
        self,
        ledger: Ledger,
        name: str,
        spec: StudySpec,
        *,
        supernet: Supernet | None = None,
        space: SearchSpace | None = None,
    ) -> None:
        self._ledger = ledger
        self.name = name
        self.spec = spec
        self.supernet = supernet
        self._space = space
        self._asking: Asking | None = None

    def __enter__(self) -> Study:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the study back to other drivers, if `ask` had taken it, and close the database."""
        self._stop_asking()
        self._ledger.close()

    # Running

    def profile(self) -> Profile:
        """Costs over the space and whether each budget can be met, before anything is spent.

        Raises:
            InfeasibleError: no sub-network meets the constraints on exact costs.
        """
        return profile(self.spec, self._required_space())

    def optimize(
        self,
        evaluator: Evaluator | Callable[[Any], Any],
        n_trials: int,
        *,
        timeout: float | None = None,
        workers: Pool | None = None,
        max_failed: int = 10,
        latency_protocol: LatencyProtocol | None = None,
        callbacks: Sequence[Callback] = (),
        show_progress_bar: bool = False,
    ) -> None:
        """Search until the study has `n_trials` evaluated sub-networks; what is there already counts.

        Args:
            evaluator: measures quality; or a function `score(model) -> float | dict`.
            n_trials: distinct sub-networks evaluated, over all runs of the study.
            timeout: wall time of this run in seconds.
            workers: a pool, closed at the end; `SerialPool` unless given.
            max_failed: failed evaluations put up with in this run.
            latency_protocol: how latency is sampled.
            callbacks: called with the study and each trial that ended.
            show_progress_bar: on standard error.

        Raises:
            InfeasibleError: a budget that no sub-network meets.
            StorageError: another driver holds the study.
            EvaluationFailedError: too many sub-networks cannot be evaluated.
        """
        supernet, space = self._required_supernet(), self._required_space()
        limits = Limits(n_trials=n_trials, timeout_s=timeout, max_failed=max_failed)
        if self._asking is not None:
            raise ConfigError("trials that ask() handed out are open; tell() them or close() the study first")
        pool = workers or SerialPool()
        with translated(), pool, progress_bar("search", enabled=show_progress_bar) as progress:
            require_feasible(self.spec, space)
            prepared = settle(self, self._ledger, as_evaluator(evaluator, self.spec), supernet)
            reporter = Reporter(
                self, n_trials, progress=progress if show_progress_bar else None, callbacks=callbacks
            )
            session = Session(self._ledger, self._ledger.study(self.name), self.spec, space)
            drive(
                session,
                limits,
                lambda: SearchDriver(
                    session,
                    supernet,
                    prepared,
                    pool,
                    latency=self._latency(latency_protocol),
                    after_trial=reporter,
                ),
            )

    def ask(self) -> Trial:
        """A sub-network to evaluate yourself; the study is yours until `close`.

        The initial design comes first, the full model at its head, then what was enqueued, then what the
        sampler chooses. A trial that an earlier process did not tell is handed out again.

        Raises:
            InfeasibleError: a budget on an exact cost that no sub-network meets.
            ConfigError: the space has no sub-network left.
            StorageError: another driver holds the study.
        """
        with translated():
            number = self._asked().ask()
        return self.trial(number)

    def tell(self, trial: Trial | int, metrics: Mapping[str, float] | None, *, reason: str = "bug") -> Trial:
        """Report what `ask` asked for; None, or a value that is not finite, says that the evaluation failed.

        Args:
            trial: a trial or its number.
            metrics: measured values by name; costs are known.
            reason: why it failed.

        Raises:
            ConfigError: no such trial, one that has another result already, or metrics that are no numbers
                or lack what the study searches for.
        """
        number = trial if isinstance(trial, int) else trial.number
        with translated():
            self._asked().tell(number, metrics, reason=reason)
        return self.trial(number)

    def enqueue(self, config: SubnetConfig) -> None:
        """Put a sub-network before those that the sampler chooses; one that is a trial already is left out.

        Raises:
            ConfigError: units that the model does not have.
            StorageError: another driver holds the study.
        """
        was_asking = self._asking is not None
        with translated():
            try:
                self._asked().enqueue(config)
            finally:
                if not was_asking:
                    self._stop_asking()

    # Reading

    @property
    def trials(self) -> list[Trial]:
        """All trials by number."""
        with translated():
            records = self._ledger.trials(self._id)
        baseline = baseline_metrics(self.spec, records)
        return [trial_of(self, self.spec, record, baseline) for record in records]

    def trial(self, number: int) -> Trial:
        """One trial."""
        with translated():
            record = self._ledger.trial(self._id, number)
        return trial_of(self, self.spec, record, self.baseline)

    @property
    def baseline(self) -> dict[str, float]:
        """Metrics of the full model as far as they are known."""
        with translated():
            full = self._ledger.trial_by_key(self._id, SubnetConfig.full(self.spec.shape).key)
        return baseline_metrics(self.spec, [] if full is None else [full])

    @property
    def best_trials(self) -> list[Trial]:
        """The Pareto front, the best in the first objective first."""
        return front_of(self.trials, self.objectives)

    def best(self, where: str | Sequence[str] = ()) -> Trial:
        """The best trial in the first objective that meets the study's budgets and more.

        Args:
            where: constraints such as `latency_ms <= 6`.

        Raises:
            InfeasibleError: none does; it names the binding constraint and the nearest trial.
        """
        return self.select(where)[0]

    def select(self, where: str | Sequence[str] = ()) -> list[Trial]:
        """Every trial that meets the study's budgets and more, the best in the first objective first.

        Args:
            where: constraints such as `latency_ms <= 6`.

        Raises:
            InfeasibleError: none does; it names the binding constraint and the nearest trial.
        """
        texts = [where] if isinstance(where, str) else list(where)
        trials = [t for t in self.trials if t.state is TrialState.DONE and t.values is not None]
        names = sorted({name for trial in trials for name in trial.metrics})
        constraints = [*self.constraints, *parse_constraints(texts, metrics=names)]
        if not trials:
            raise InfeasibleError(f"study {self.name!r} has no evaluated sub-network yet; run it first")
        return within_budget(trials, self.objectives, constraints, self.baseline)

    @property
    def hypervolume(self) -> float | None:
        """Share of the box between the declared reference and the ideal that the front dominates.

        The reference is 0 of what is maximised and 1.1 times the full model of what is minimised. None
        until the full model was evaluated.
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

    def trials_dataframe(self) -> Any:
        """All trials as a pandas DataFrame (extra `data`)."""
        try:
            pandas = import_module("pandas")
        except ModuleNotFoundError as error:
            raise ConfigError('a data frame needs pandas: pip install "subnas[data]"') from error
        rows = [
            {"number": t.number, "state": t.state.value, "origin": t.origin, **t.metrics, **t.parameters}
            for t in self.trials
        ]
        return pandas.DataFrame(rows)

    @property
    def plot(self) -> Any:
        """Pictures of the study: `study.plot.pareto()`, `study.plot.write_front(path)`."""
        from nas.study.plots import StudyPlots

        return StudyPlots(self)

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
            events = self._ledger.events(self._id, limit=1_000_000)
        return [event.payload for event in events if event.kind == "evaluator"]

    def device_of_target(self) -> dict[str, Any] | None:
        """Fingerprint of the device that latency was last measured on; None before."""
        if self.spec.target is None:
            return None
        with translated():
            records = self._ledger.latencies(workload_sha256=self.spec.target.workload_sha256)
        return dict(records[-1].device) if records else None

    def _repr_html_(self) -> str:
        trials = self.trials
        done = sum(t.state is TrialState.DONE for t in trials)
        rows = "".join(
            f"<tr><td>{t.number}</td><td>{html.escape(t.architecture)}</td>"
            + "".join(f"<td>{value:.5g}</td>" for value in t.values or ())
            + "</tr>"
            for t in front_of(trials, self.objectives)
        )
        head = "".join(f"<th>{html.escape(str(objective))}</th>" for objective in self.objectives)
        title = f"Study {html.escape(self.name)}: {done} evaluated, {self.state.value.lower()}"
        return f"<h4>{title}</h4><table><tr><th>trial</th><th>architecture</th>{head}</tr>{rows}</table>"

    @property
    def _id(self) -> int:
        return self._ledger.study(self.name).id

    def _required_supernet(self) -> Supernet:
        if self.supernet is None:
            raise ConfigError(
                f"study {self.name!r} was loaded without its supernet; "
                "pass supernet= to load_study to run or export"
            )
        return self.supernet

    def _required_space(self) -> SearchSpace:
        self._required_supernet()
        assert self._space is not None
        return self._space

    def _asked(self) -> Asking:
        if self._asking is None:
            self._asking = Asking(self._ledger, self.name, self.spec, self._required_space())
        return self._asking

    def _stop_asking(self) -> None:
        asking, self._asking = self._asking, None
        if asking is not None:
            asking.close()

    def _latency(self, protocol: LatencyProtocol | None) -> LatencyEvaluation | None:
        if self.spec.target is None:
            return None
        return LatencyEvaluation(target=self.spec.target, protocol=protocol or LatencyProtocol())


def baseline_of(trials: Sequence[Trial], spec: StudySpec) -> dict[str, float]:
    """Metrics of the full model among trials."""
    full = next((t for t in trials if t.origin == "baseline:full" and t.values is not None), None)
    return dict(spec.full_costs) if full is None else dict(full.metrics)
