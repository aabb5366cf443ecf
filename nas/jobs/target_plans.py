"""Jobs of `nas targets`: planning, measuring a reference, calibrating a predictor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from nas.errors import ConfigError
from nas.evaluation import Target
from nas.jobs.target_subjects import Subject, front_configs, trial_configs
from nas.progress import progress_bar
from nas.study.ledger_errors import translated
from nas.targets.bench import on_device
from nas.targets.calibration import calibration_shapes
from nas.targets.here import measure_here
from nas.targets.history import predictor_of, store_plan
from nas.targets.plan import Plan, make_plan
from nas.targets.prediction import PredictionError
from nas.targets.registry import registered_target
from search_spaces import SubnetConfig
from storage import LatencyRecord, Ledger


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which sub-networks of a subject; by default a study's front, of a config a calibration.

    Attributes:
        front: the study's front.
        trials: numbers of trials.
        calibration: shapes that teach the predictor most; 0 for none.
    """

    front: bool = False
    trials: tuple[int, ...] = ()
    calibration: int = 0


@dataclass(frozen=True, kw_only=True)
class Calibrated:
    """What a calibration measured, and how wrong the predictor is now.

    Attributes:
        measured: measurements of this run.
        error: None while too little was measured.
    """

    device_id: str
    measured: int
    error: PredictionError | None


def target_for(
    subject: Subject, name: str | None, *, device: str | None = None, threads: int | None = None
) -> Target:
    """The registered target of a name, else the subject's own; on another device or threads if given.

    Raises:
        ConfigError: neither is there.
    """
    if name is None:
        found = subject.target
    else:
        with translated(), Ledger.open(subject.url) as ledger:
            found = registered_target(ledger, name)
    if found is None:
        raise ConfigError("there is no target to measure on; name a registered one by --target")
    return on_device(found, device=device, threads=threads)


def plan_subject(subject: Subject, target: Target, wanted: Wanted) -> Plan:
    """Plan what to measure, and note the plan in the database, which its results are checked against.

    Raises:
        ConfigError: nothing to measure, or a model that cannot be rebuilt from its config.
        StorageError: the database cannot be written.
    """
    plan = _planned(subject, target, wanted)
    with translated(), Ledger.open(subject.url) as ledger:
        store_plan(ledger, plan, subject.shape)
    return plan


def measure_reference(subject: Subject, target: Target) -> list[LatencyRecord]:
    """Measure the full model on this machine, and store that: the last one counts, all show the drift.

    Raises:
        ConfigError: the target is another machine.
    """
    _check_here(target)
    plan = _made(subject, target, [])
    with translated(), Ledger.open(subject.url) as ledger:
        return measure_here(plan, ledger, again=[plan.full])


def calibrate(
    subject: Subject, target: Target, *, shapes: int = 40, show_progress: bool = False
) -> Calibrated:
    """Measure on this machine the shapes that teach the predictor most; what is known is not repeated.

    Raises:
        ConfigError: the target is another machine.
    """
    _check_here(target)
    plan = plan_subject(subject, target, Wanted(calibration=shapes))
    with (
        translated(),
        Ledger.open(subject.url) as ledger,
        progress_bar("calibrate", enabled=show_progress) as progress,
    ):
        records = measure_here(plan, ledger, progress=progress)
        device_id = target.fingerprint().id
        predictor = predictor_of(ledger, device_id, target.workload_sha256)
    error = None if predictor is None else predictor.cross_validated()
    return Calibrated(device_id=device_id, measured=len(records), error=error)


def _planned(subject: Subject, target: Target, wanted: Wanted) -> Plan:
    if not (wanted.front or wanted.trials or wanted.calibration):
        chosen = Wanted(calibration=40) if subject.study is None else Wanted(front=True)
        return _planned(subject, target, chosen)
    configs: list[SubnetConfig] = []
    if wanted.front:
        configs += front_configs(subject)
    if wanted.trials:
        configs += trial_configs(subject, wanted.trials)
    if wanted.calibration:
        configs += calibration_shapes(subject.space, wanted.calibration)
    return _made(subject, target, configs)


def _made(subject: Subject, target: Target, configs: Sequence[SubnetConfig]) -> Plan:
    return make_plan(subject.config, subject.shape, task=subject.task, target=target, subnets=configs)


def _check_here(target: Target) -> None:
    here = replace(target, device_id=None).fingerprint().id
    if target.device_id not in (None, here):
        raise ConfigError(
            f"target {target.name!r} is device {target.device_id}, this machine is {here}; write a plan by "
            "-o and measure it there by `nas targets bench --plan`"
        )
    if target.labels:
        raise ConfigError(
            f"target {target.name!r} is a Ray node with labels {dict(target.labels)}; a search measures "
            "there by itself, or write a plan by -o and run `nas targets bench --plan` on that node"
        )
