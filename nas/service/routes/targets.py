"""`/targets`: the devices that latency is measured on, and what was measured there."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Path, Query

from nas.config.sections import TargetSection
from nas.errors import ConfigError
from nas.service.context import Admin, Reader, ServiceOf
from nas.service.problems import not_found, problems
from nas.service.schemas.jobs import PageToken
from nas.service.schemas.targets import (
    DeviceOfTarget,
    LatencyTarget,
    Measurement,
    MeasurementPage,
    PredictorError,
    TargetList,
)
from storage import LatencyRecord, Ledger

if TYPE_CHECKING:
    from nas.evaluation import Target
    from nas.targets.registry import TargetView

router = APIRouter(tags=["targets"])

TargetName = Annotated[str, Path(max_length=100, description="name of the target")]


@router.get("/targets", operation_id="list_targets", summary="Registered targets", responses=problems(503))
def list_targets(service: ServiceOf, identity: Reader) -> TargetList:
    """All targets; they belong to no account."""
    del identity
    return TargetList(targets=_targets(service.ledger))


@router.get("/targets/{name}", operation_id="get_target", summary="One target", responses=problems(404))
def get_target(name: TargetName, service: ServiceOf, identity: Reader) -> LatencyTarget:
    """A target with its devices: fingerprint, drift, and how wrong its predictor is."""
    del identity
    return _target(service.ledger, name)


@router.put(
    "/targets/{name}", operation_id="put_target", summary="Register a target", responses=problems(422)
)
def put_target(name: TargetName, body: TargetSection, service: ServiceOf, identity: Admin) -> LatencyTarget:
    """Register a target under a name, in the place of another one; measurements stay with the device."""
    from nas.evaluation import Target
    from nas.targets.registry import add_target

    del identity
    given = body.model_dump()
    if "name" in body.model_fields_set and body.name != name:
        raise ConfigError(f"name: got {body.name[:80]!r} for target {name!r}; leave it out")
    add_target(service.ledger, Target(**{**given, "name": name}), replaces=True)
    return _target(service.ledger, name)


@router.get(
    "/targets/{name}/measurements",
    operation_id="list_measurements",
    summary="Measurements of a target, the newest first",
    responses=problems(404),
)
def list_measurements(
    name: TargetName,
    service: ServiceOf,
    identity: Reader,
    *,
    limit: Annotated[int, Query(ge=1)] = 50,
    page_token: PageToken | None = None,
) -> MeasurementPage:
    """Disturbed measurements are shown too, and never ranked by."""
    from nas.targets.registry import measurements_of

    del identity
    records = measurements_of(service.ledger, _registered(service.ledger, name))
    end = len(records) if page_token is None else min(int(page_token), len(records))
    start = max(0, end - min(limit, service.settings.limits.page_size))
    return MeasurementPage(
        measurements=[_measurement(record) for record in reversed(records[start:end])],
        total=len(records),
        next_page_token=str(start) if start > 0 else None,
    )


def _registered(ledger: Ledger, name: str) -> Target:
    from nas.targets.registry import find_target

    found = find_target(ledger, name)
    if found is None:
        raise not_found()
    return found


def _target(ledger: Ledger, name: str) -> LatencyTarget:
    for target in _targets(ledger, name):
        return target
    raise not_found()


def _targets(ledger: Ledger, name: str | None = None) -> list[LatencyTarget]:
    """Targets by name, each with all of its devices."""
    from nas.targets.registry import overview

    found: dict[str, LatencyTarget] = {}
    for view in overview(ledger):
        if name in (None, view.target.name):
            target = found.setdefault(view.target.name, _without_devices(view))
            if view.measured_at is not None:
                target.devices.append(_device(view))
    return [found[key] for key in sorted(found)]


def _without_devices(view: TargetView) -> LatencyTarget:
    target = view.target
    return LatencyTarget.model_validate(
        {**asdict(target), "workload_sha256": target.workload_sha256, "reached": view.place, "devices": []}
    )


def _device(view: TargetView) -> DeviceOfTarget:
    return DeviceOfTarget(
        device_id=view.device_id or "",
        fingerprint=None if view.device is None else dict(view.device),
        shapes=view.shapes,
        calibrations=view.calibrations,
        drift=view.drift,
        measured_at=view.measured_at,
        predictor_error=None if view.error is None else PredictorError(**asdict(view.error)),
    )


def _measurement(record: LatencyRecord) -> Measurement:
    return Measurement(
        device_id=record.target,
        shape_key=record.shape_key,
        statistics=dict(record.statistics),
        flag=record.quality_flag,
        is_valid=record.valid,
        measured_at=record.created_at,
    )
