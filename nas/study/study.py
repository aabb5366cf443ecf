"""The study that users hold: what is stored of it, and what runs it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from nas.data import BatchedDataset
from nas.errors import ConfigError
from nas.evaluation import Evaluator, LatencyEvaluation
from nas.progress import Progress, progress_bar
from nas.study.asking import Asking
from nas.study.control import GRACE_SECONDS, Control, Orders
from nas.study.draining import sigterm_pauses
from nas.study.driver import SearchDriver
from nas.study.finalists import RecoveryPlan
from nas.study.ledger_errors import translated
from nas.study.limits import Limits
from nas.study.profile import Profile, profile, require_feasible
from nas.study.recovering import Recoverer
from nas.study.recovery import RecoveryReport
from nas.study.reporting import Callback, Reporter
from nas.study.running import as_evaluator, drive, settle
from nas.study.seeding import first_seeds
from nas.study.session import Session
from nas.study.spec import StudySpec
from nas.study.spool import Spool
from nas.study.stored_study import StoredStudy
from nas.study.trial import Trial
from nas.supernet import Supernet
from nas.training import Budget
from search_spaces import SearchSpace, SubnetConfig
from storage import OUTAGE_SECONDS, Ledger, Patience, PatientLedger
from workers import LatencyProtocol, Pool, SerialPool

logger = logging.getLogger(__name__)


class Study(StoredStudy):
    """A search over the sub-networks of one supernet; everything it knows is in its database.

    Made by `nas.create_study` and `nas.load_study`. Loaded without a supernet it can be read, not run.

    Attributes:
        was_halted: whether the last `optimize` ended because it was told to, by its control or by SIGTERM.
    """

    def __init__(self, ledger: Ledger, name: str, spec: StudySpec, **options: Any) -> None:
        super().__init__(ledger, name, spec, **options)
        self._asking: Asking | None = None
        self._evaluator: Evaluator | None = None
        self.was_halted = False

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
        control: Control | None = None,
        grace_s: float = GRACE_SECONDS,
        outage_s: float = OUTAGE_SECONDS,
    ) -> None:
        """Search until the study has `n_trials` evaluated sub-networks; what is there already counts.

        SIGTERM pauses it, unless the program has a handler of its own: nothing new begins, what is in flight
        may end, and the call returns. A second one is an interrupt.

        Args:
            evaluator: measures quality; or a function `score(model) -> float | dict`.
            n_trials: distinct sub-networks evaluated, over all runs of the study.
            timeout: wall time of this run in seconds.
            workers: a pool, closed at the end; `SerialPool` unless given.
            max_failed: failed evaluations put up with in this run.
            latency_protocol: how latency is sampled.
            callbacks: called with the study and each trial that ended.
            show_progress_bar: on standard error.
            control: asked about once a second for commands: another total, to pause, to stop.
            grace_s: seconds that evaluations in flight have once the search is to pause or stop.
            outage_s: seconds that the database may be away; what ends meanwhile is kept.

        Raises:
            InfeasibleError: a budget that no sub-network meets.
            StorageError: another driver holds the study, or the database was away for too long.
            EvaluationFailedError: too many sub-networks cannot be evaluated.
        """
        self._required_supernet()
        limits = Limits(n_trials=n_trials, timeout_s=timeout, max_failed=max_failed)
        if self._asking is not None:
            raise ConfigError("trials that ask() handed out are open; tell() them or close() the study first")
        pool, show = workers or SerialPool(), show_progress_bar
        self.was_halted = True  # SIGTERM may leave the block below before the search begins
        with (
            translated(),
            pool,
            progress_bar("search", enabled=show) as progress,
            sigterm_pauses(control) as heeded,
        ):
            orders = Orders(limits, heeded, grace_s=grace_s)
            spool = Spool(pool, orders)
            patience = Patience(outage_s, wait=spool.listen, gives_up=lambda: orders.is_overdue)
            reporter = Reporter(
                self, lambda: orders.n_trials, progress=progress if show else None, callbacks=callbacks
            )
            latency = self._latency(latency_protocol)
            with self._waiting_for_database(patience):
                self._search(evaluator, spool, orders, patience, reporter, latency=latency, progress=progress)
            self.was_halted = orders.is_halted

    def recover(
        self,
        data: BatchedDataset,
        *,
        budget: Budget,
        top: int = 5,
        where: str | Sequence[str] = (),
        baselines: Sequence[str] = (),
        evaluator: Evaluator | Callable[[Any], Any] | None = None,
        show_progress_bar: bool = False,
        **options: Any,
    ) -> RecoveryReport:
        """Train finalists of the front, measure them again and rank them anew; what is done is not repeated.

        Args:
            data: training data.
            budget: forward/backward passes or examples of each sub-network.
            top: finalists: the members of the front that keep most of its hypervolume.
            where: budgets that they hold besides the study's.
            baselines: `random` and `scratch`, each trained at the same cost beside every finalist.
            evaluator: the study's own; that of `optimize` where it ran in this process.
            show_progress_bar: on standard error, for each sub-network.
            options: of `nas.RecoveryOptions`: trainable, schedule, stages, distillation, training.

        Raises:
            InfeasibleError: no evaluated sub-network holds the budgets.
            ConfigError: options, data or evaluator do not fit the study.
            StorageError: weights cannot be written.
        """
        texts = (where,) if isinstance(where, str) else tuple(where)
        plan = RecoveryPlan.of(budget, top=top, where=texts, baselines=baselines, options=options)
        supernet, space = self._required_supernet(), self._required_space()
        given = evaluator or self._evaluator
        if given is None:
            raise ConfigError("which evaluator? Pass the one that the study was run with as evaluator=")
        with translated():
            prepared = settle(self, self._ledger, as_evaluator(given, self.spec), supernet)
            recoverer = Recoverer(self, self._ledger, prepared, data, plan, show_progress=show_progress_bar)
            return recoverer.run(space)

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

    def _search(
        self,
        evaluator: Evaluator | Callable[[Any], Any],
        pool: Spool,
        orders: Orders,
        patience: Patience,
        reporter: Reporter,
        *,
        latency: LatencyEvaluation | None,
        progress: Progress,
    ) -> None:
        supernet, space, ledger = self._required_supernet(), self._required_space(), self._ledger
        require_feasible(self.spec, space)
        prepared = settle(self, ledger, as_evaluator(evaluator, self.spec), supernet)
        self._evaluator = prepared
        record = ledger.study(self.name)
        seeds = partial(
            first_seeds, ledger, record.id, self.spec, space=space, supernet=supernet, progress=progress
        )
        session = Session(ledger, record, self.spec, space, first_seeds=seeds)
        drive(
            session,
            orders,
            patience,
            lambda: SearchDriver(
                session, supernet, prepared, pool, orders=orders, latency=latency, after_trial=reporter
            ),
        )

    @contextmanager
    def _waiting_for_database(self, patience: Patience) -> Iterator[None]:
        """Let whatever this thread reads or writes in the block, callbacks too, outlast an outage."""
        plain = self._ledger
        self._ledger = PatientLedger.of(plain, patience)
        try:
            yield
        finally:
            self._ledger = plain

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
            self._asking = Asking(
                self._ledger,
                self.name,
                self.spec,
                space=self._required_space(),
                supernet=self._required_supernet(),
            )
        return self._asking

    def _stop_asking(self) -> None:
        asking, self._asking = self._asking, None
        if asking is not None:
            asking.close()

    def _latency(self, protocol: LatencyProtocol | None) -> LatencyEvaluation | None:
        if self.spec.target is None:
            return None
        return LatencyEvaluation(target=self.spec.target, protocol=protocol or LatencyProtocol())
