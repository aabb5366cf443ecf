"""What a database knows of measured shapes: a shape key tells no sizes, plans and trials do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from nas.errors import ConfigError
from nas.evaluation import shape_key
from nas.evaluation.latency import half_width, sizes_only
from nas.targets.prediction import LatencyPredictor
from search_spaces import ModelShape, SubnetConfig
from storage import EventRecord, Ledger, StudyRecord, TrialState

if TYPE_CHECKING:
    from nas.targets.plan import Plan

#: Kind of the event that holds a plan.
PLANNED: Final = "latency_plan"
#: Trials of a study that predictions learn from here, the newest first.
_TRIALS: Final = 2000
_PAGE: Final = 1000

Sizes = dict[str, SubnetConfig]


def store_plan(ledger: Ledger, plan: Plan, shape: ModelShape) -> None:
    """Keep a plan, so that its results can be checked when they come back."""
    if all(event.payload["sha256"] != plan.sha256 for event in _plans(ledger)):
        payload = {"sha256": plan.sha256, "plan": plan.to_json(), "shape": shape.to_json()}
        ledger.add_event(None, PLANNED, payload)


def find_plan(ledger: Ledger, sha256: str) -> Plan:
    """The plan of that hash.

    Raises:
        ConfigError: it was made for another database.
    """
    from nas.targets.plan import Plan  # loads torch

    for event in _plans(ledger):
        if event.payload["sha256"] == sha256:
            return Plan.from_json(event.payload["plan"])
    raise ConfigError(
        f"no plan {sha256[:16]} was made in this database; import into the one that `nas targets plan` used, "
        "or give the plan's file by --plan"
    )


def predictor_of(ledger: Ledger, device_id: str, workload_sha256: str) -> LatencyPredictor | None:
    """A predictor that learnt all measurements of a device and workload whose sizes are known.

    Where several models were measured it is that of the model with most of them; None without any.
    """
    best: LatencyPredictor | None = None
    for shape, sizes in _known_sizes(ledger, workload_sha256):
        predictor = LatencyPredictor(shape)
        for config, ratio, width in _ratios(ledger, sizes, device_id, workload_sha256):
            predictor.add(config, ratio, width)
        if predictor.num_shapes > (best.num_shapes if best else 0):
            best = predictor
    return best


def measured_ratios(
    ledger: Ledger, shape: ModelShape, device_id: str, workload_sha256: str
) -> list[tuple[SubnetConfig, float, float]]:
    """Sub-networks of a model that a device has measured: sizes, ratio, and half the ratio's interval."""
    for own, sizes in _known_sizes(ledger, workload_sha256):
        if own == shape:
            return list(_ratios(ledger, sizes, device_id, workload_sha256))
    return []


def _ratios(
    ledger: Ledger, sizes: Sizes, device_id: str, workload_sha256: str
) -> Iterator[tuple[SubnetConfig, float, float]]:
    """The newest usable measurement of each shape."""
    records = ledger.latencies(target=device_id, workload_sha256=workload_sha256)
    newest = {record.shape_key: record.statistics for record in records}
    for key, config in sizes.items():
        figures = newest.get(key, {})
        if figures.get("ratio", 0.0) > 0:
            yield config, figures["ratio"], half_width(figures)


def _known_sizes(ledger: Ledger, workload_sha256: str) -> list[tuple[ModelShape, Sizes]]:
    """Sub-networks by shape key, for each model that was planned or searched at a workload."""
    found: dict[str, tuple[ModelShape, Sizes]] = {}
    for event in _plans(ledger):
        plan = event.payload["plan"]
        if plan["workload_sha256"] == workload_sha256:
            shape = ModelShape.from_json(event.payload["shape"])
            sizes = {key: SubnetConfig.from_json(own) for key, own in plan["shapes"].items()}
            found.setdefault(plan["shape_sha256"], (shape, {}))[1].update(sizes)
    for study in ledger.studies():
        if study_workload(study) == workload_sha256:
            shape, sizes = _sizes_of_study(ledger, study)
            found.setdefault(_name(shape), (shape, {}))[1].update(sizes)
    return list(found.values())


def study_workload(study: StudyRecord) -> str | None:
    """Hash of the workload that a study measures; None without a target, or one that this version lacks."""
    from nas.evaluation import Target

    try:
        return None if study.spec["target"] is None else Target(**study.spec["target"]).workload_sha256
    except (TypeError, ConfigError):
        return None


def _sizes_of_study(ledger: Ledger, study: StudyRecord) -> tuple[ModelShape, Sizes]:
    shape = ModelShape.from_json(study.spec["shape"])
    trials = ledger.trials(study.id, states=[TrialState.DONE])[-_TRIALS:]
    configs = [sizes_only(SubnetConfig.from_json(trial.config)) for trial in trials]
    return shape, {shape_key(shape, config): config for config in configs}


def _plans(ledger: Ledger) -> Iterator[EventRecord]:
    """Events of plans, oldest first."""
    after = 0
    while page := ledger.events(None, after=after, limit=_PAGE, kind=PLANNED):
        yield from page
        after = page[-1].id


def _name(shape: ModelShape) -> str:
    from nas.targets.documents import sha256_of

    record: Mapping[str, Any] = shape.to_json()
    return sha256_of(record)
