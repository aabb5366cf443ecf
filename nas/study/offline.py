"""Studies whose latencies come from a device that is not here: what was not imported is predicted.

A trial whose shape the device has not measured is paused once its quality is known, with its latency under
the names of predictions. It never reaches the front so, and goes on when a measurement was imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nas.errors import TargetUnavailableError
from nas.evaluation import Target
from nas.study.latency_floors import LatencyFloors
from nas.study.open_trial import OpenTrial
from nas.targets.history import measured_ratios
from search_spaces import SubnetConfig
from storage import Ledger, TrialRecord, TrialState

if TYPE_CHECKING:
    from nas.study.latencies import Latencies
    from nas.study.session import Session
    from nas.study.spec import StudySpec

#: Reason of a trial that is paused until its latency is imported.
WAITS_FOR_LATENCY: Final = "its latency was not measured yet"


def unmeasured(target: Target, *, is_full: bool) -> TargetUnavailableError:
    """What to tell where a search cannot go on without a measurement of another device."""
    which = "the full model" if is_full else "the smallest sub-network, which a latency budget is checked on,"
    return TargetUnavailableError(
        f"{which} was not measured on target {target.name!r}, device {target.device_id}, at this workload; "
        "write a plan by `nas targets plan CONFIG --calibration 40`, measure it there by "
        "`nas targets bench --plan`, and bring the results back by `nas targets import`"
    )


def learn_imported(floors: LatencyFloors, ledger: Ledger, spec: StudySpec) -> None:
    """Let the predictor know every shape of the model that the device has measured."""
    target = spec.target
    assert target is not None
    assert target.device_id is not None
    for config, ratio, width in measured_ratios(ledger, spec.shape, target.device_id, target.workload_sha256):
        floors.add(config, ratio, width)


def pause_for_latency(session: Session, trial: OpenTrial, floors: LatencyFloors) -> None:
    """Pause a trial of which all but the latency is known; that is predicted if enough was measured."""
    predicted = floors.predicted(trial.config)
    session.pause(trial.number, {**trial.metrics, **predicted}, reason=WAITS_FOR_LATENCY)


def waiting_trials(session: Session, latencies: Latencies) -> list[TrialRecord]:
    """Trials that waited for a latency which is known by now, by number."""
    paused = session.ledger.trials(session.study_id, states=[TrialState.PAUSED])
    return [
        trial
        for trial in paused
        if trial.reason == WAITS_FOR_LATENCY
        and latencies.known(SubnetConfig.from_json(trial.config)) is not None
    ]
