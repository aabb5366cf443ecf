"""One run of a search, from the evaluator to the state that it leaves."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from nas.errors import ConfigError
from nas.evaluation import Evaluator, ScoreEvaluator
from nas.study.control import Orders
from nas.study.draining import TerminatedError
from nas.study.driver import SearchDriver
from nas.study.session import Session
from nas.study.spec import StudySpec, package_versions
from nas.supernet import Supernet
from storage import DiskFullError, Ledger, Patience, StorageFault, StudyState
from workers import PoolError

if TYPE_CHECKING:
    from nas.study.study import Study

_LONGEST_REASON: Final = 500


def as_evaluator(evaluator: Evaluator | Callable[[Any], Any], spec: StudySpec) -> Evaluator:
    """An evaluator as it is; a function as one that must report what the study searches for."""
    if isinstance(evaluator, Evaluator):
        return evaluator
    return ScoreEvaluator(score=evaluator, metrics=spec.quality_metrics)


def settle(study: Study, ledger: Ledger, evaluator: Evaluator, supernet: Supernet) -> Evaluator:
    """Prepare the evaluator and note it with the study.

    Raises:
        ConfigError: it differs from that of the study's earlier runs.
    """
    earlier = study.evaluators()
    prepared = evaluator.prepare(supernet, earlier[-1] if earlier else None)
    if earlier and earlier[-1]["sha256"] != prepared.sha256:
        raise ConfigError(
            f"study {study.name!r} was run with another evaluator (data, metrics or precision): "
            f"{earlier[-1]}; now {prepared.describe()}; use the same (of a callable without source of its "
            "own, the same version in nas.ScoreEvaluator), or create another study"
        )
    if not earlier:
        facts = {**prepared.describe(), "sha256": prepared.sha256, "versions": package_versions()}
        ledger.add_event(ledger.study(study.name).id, "evaluator", facts)
    return prepared


def drive(
    session: Session, orders: Orders, patience: Patience, make_driver: Callable[[], SearchDriver]
) -> None:
    """Run a search, write how it ended, however it ended, and give the study back."""
    state, reason = StudyState.FAILED, None
    try:
        reason = make_driver().run()
        state = StudyState.COMPLETED if reason is None else _state_after(orders)
    except BaseException as error:
        patience.end()
        if _may_go_on(error):
            state = StudyState.PAUSED
        reason = _reason(error)[:_LONGEST_REASON]
        raise
    finally:
        session.close(state, reason)


def _state_after(orders: Orders) -> StudyState:
    is_stopped = orders.halt is not None and orders.halt.halt == "stop"
    return StudyState.CANCELLED if is_stopped else StudyState.PAUSED


def _may_go_on(error: BaseException) -> bool:
    """Whether nothing is wrong with the search itself."""
    return isinstance(error, KeyboardInterrupt | SystemExit | StorageFault | PoolError) or _is_full_disk(
        error
    )


def _reason(error: BaseException) -> str:
    if isinstance(error, TerminatedError):
        return str(error)
    if isinstance(error, KeyboardInterrupt | SystemExit):
        return "interrupted"
    return f"no space left: {error}" if _is_full_disk(error) else str(error)


def _is_full_disk(error: BaseException) -> bool:
    return isinstance(error, DiskFullError) or (isinstance(error, OSError) and error.errno == errno.ENOSPC)
