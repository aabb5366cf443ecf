"""Ask and tell: trials that the user evaluates."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from functools import partial

from nas.errors import ConfigError, EvaluationFailedError
from nas.evaluation import checked_metrics
from nas.search import Seed
from nas.study.profile import require_feasible
from nas.study.seeding import first_seeds
from nas.study.session import Session
from nas.study.spec import StudySpec
from nas.supernet import Supernet
from search_spaces import SearchSpace, SubnetConfig
from storage import Ledger, StudyState


class Asking:
    """A session whose trials are handed out one by one, from its making to `close`.

    Raises:
        InfeasibleError: a budget on an exact cost that no sub-network meets.
    """

    def __init__(
        self, ledger: Ledger, name: str, spec: StudySpec, *, space: SearchSpace, supernet: Supernet
    ) -> None:
        require_feasible(spec, space)
        study = ledger.study(name)
        seeds = partial(first_seeds, ledger, study.id, spec, space=space, supernet=supernet)
        self._session = Session(ledger, study, spec, space, first_seeds=seeds)
        self._waiting = deque(self._session.open_trials())

    def ask(self) -> int:
        """Number of the next trial to evaluate: what waits goes before what the sampler chooses.

        Raises:
            ConfigError: the space has no sub-network left.
        """
        session = self._session
        if not self._waiting:
            self._waiting.extend(session.ask(1))
        if not self._waiting:
            raise ConfigError(f"the {session.space.kind} space has no further sub-network within budget")
        record = self._waiting.popleft()
        session.dispatch(record)
        return record.number

    def tell(self, number: int, metrics: Mapping[str, float] | None, *, reason: str) -> None:
        """Record how a trial ended; an equal result may be told again.

        Raises:
            ConfigError: a trial that ended otherwise, or metrics that are no numbers or lack what is
                searched for.
        """
        session = self._session
        record = session.ledger.trial(session.study_id, number)
        message = "reported by tell"
        try:
            measured = None if metrics is None else checked_metrics(metrics)
        except EvaluationFailedError as error:
            if error.reason != "nan":
                raise ConfigError(f"trial {number}: {error.args[0]}") from error
            measured, reason, message = None, error.reason, str(error.args[0])
        if record.state.is_final and (measured is None or measured != record.metrics):
            raise ConfigError(f"trial {number} is {record.state.value} already; what is known of it stays")
        if measured is None:
            session.fail(number, reason=reason, message=message)
        else:
            session.spec.check_measured({**record.costs, **measured})
            session.complete(number, measured)
        session.tell(number)

    def enqueue(self, config: SubnetConfig) -> None:
        """Put a sub-network before those that the sampler chooses."""
        added = self._session.propose_seeds([Seed(config=config, origin="seed:enqueued")])
        self._waiting.extend(record for record in added if not record.state.is_final)

    def close(self) -> None:
        """Give the study back; trials that were not told are handed out again by the next session."""
        self._session.close(StudyState.PAUSED)
