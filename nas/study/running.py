"""One run of a search, from the evaluator to the state that it leaves."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nas.errors import ConfigError
from nas.evaluation import Evaluator, ScoreEvaluator
from nas.study.driver import SearchDriver
from nas.study.limits import Limits
from nas.study.session import Session
from nas.study.spec import StudySpec, package_versions
from nas.supernet import Supernet
from storage import Ledger, StorageFault, StudyState

if TYPE_CHECKING:
    from nas.study.study import Study


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


def drive(session: Session, limits: Limits, make_driver: Callable[[], SearchDriver]) -> None:
    """Run a search, write how it ended, however it ended, and give the study back."""
    state, reason = StudyState.FAILED, None
    try:
        reason = make_driver().run(limits)
        state = StudyState.COMPLETED if reason is None else StudyState.PAUSED
    except (KeyboardInterrupt, SystemExit):
        state, reason = StudyState.PAUSED, "interrupted"
        raise
    except StorageFault as error:
        state, reason = StudyState.PAUSED, str(error)[:500]  # nothing is wrong with the search itself
        raise
    except Exception as error:
        reason = str(error)[:500]
        raise
    finally:
        session.close(state, reason)
