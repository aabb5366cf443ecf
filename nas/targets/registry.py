"""Targets by name, and what is known of each."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from nas.errors import ConfigError
from nas.evaluation import Target
from nas.targets.history import predictor_of
from nas.targets.prediction import PredictionError
from storage import LatencyRecord, Ledger, TargetRecord, UnknownTargetError

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
#: Every config without a name has this target, which is never looked up.
LOCAL: Final = "local"
_DEVICE_ID: Final = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, kw_only=True)
class TargetView:
    """A registered target and what was measured on one device of it.

    Attributes:
        device_id: fingerprint; None where nothing was measured yet.
        device: fields of the fingerprint.
        shapes: with a measurement that can be ranked by, full models among them.
        calibrations: undisturbed measurements of full models.
        drift: of the full model that changed most, last latency divided by the first, less 1; None unless
            one was measured twice undisturbed.
        error: of the predictor, by cross-validation; None while too little was measured.
    """

    target: Target
    device_id: str | None = None
    device: Mapping[str, Any] | None = None
    shapes: int = 0
    calibrations: int = 0
    drift: float | None = None
    measured_at: datetime | None = None
    error: PredictionError | None = None

    @property
    def place(self) -> str:
        """Where it is reached."""
        if self.target.device_id is not None:
            return "offline"
        if self.target.labels:
            return "Ray node " + ", ".join(f"{key}={value}" for key, value in self.target.labels.items())
        return "any worker"


def add_target(ledger: Ledger, target: Target, *, replaces: bool = False) -> None:
    """Register a target under its name.

    Args:
        ledger: where to.
        target: what it is.
        replaces: whether it may take the place of another of that name.

    Raises:
        ConfigError: a name that is not allowed, or that another target has.
    """
    if not _NAME.fullmatch(target.name):
        raise ConfigError(
            f"target name {target.name[:80]!r}: give 1 to 100 letters, digits, dots, dashes and underscores"
        )
    if target.name == LOCAL:
        raise ConfigError(f"every config without a name has target {LOCAL!r}; choose another name")
    if target.device_id is not None and not _DEVICE_ID.fullmatch(target.device_id):
        raise ConfigError(f"device_id is {target.device_id[:80]!r}; give the 16 digits that an import prints")
    found = find_target(ledger, target.name)
    if found is not None and found != target and not replaces:
        raise ConfigError(
            f"target {target.name!r} is registered otherwise; choose another name, or remove it first by "
            f"`nas targets rm {target.name}`: its measurements stay"
        )
    ledger.put_target(target.name, definition_of(target))


def find_target(ledger: Ledger, name: str) -> Target | None:
    """The registered target of a name."""
    try:
        return target_of(ledger.target(name))
    except UnknownTargetError:
        return None


def registered_target(ledger: Ledger, name: str) -> Target:
    """The registered target of a name.

    Raises:
        ConfigError: there is none.
    """
    try:
        return target_of(ledger.target(name))
    except UnknownTargetError as error:
        raise ConfigError(f"{error}; register it by `nas targets add {name}`") from error


def remove_target(ledger: Ledger, name: str) -> None:
    """Forget a target; its measurements stay, as they belong to the device.

    Raises:
        ConfigError: there is none of that name.
    """
    registered_target(ledger, name)
    ledger.delete_target(name)


def point_at_device(ledger: Ledger, workload: Target, name: str, device_id: str) -> Target:
    """Register a device whose results were imported under a name; a registered one keeps its workload.

    Raises:
        ConfigError: the name belongs to another workload or device.
    """
    found = find_target(ledger, name)
    target = replace(found or replace(workload, name=name), device_id=device_id)
    if target.workload_sha256 != workload.workload_sha256:
        raise ConfigError(f"target {name!r} is registered with another workload; choose another name by --as")
    if found is not None and found.device_id not in (None, device_id):
        raise ConfigError(f"target {name!r} is device {found.device_id}; choose another name by --as")
    add_target(ledger, target, replaces=True)
    return target


def definition_of(target: Target) -> dict[str, Any]:
    """A target as it is stored, its name left out."""
    return {key: value for key, value in target.describe().items() if key != "name"}


def target_of(record: TargetRecord) -> Target:
    """Read what `definition_of` made.

    Raises:
        ConfigError: it was stored by a version that knows more.
    """
    try:
        return Target(name=record.name, **record.definition)
    except TypeError as error:
        raise ConfigError(f"target {record.name!r} was stored by another version: {error}") from error


def overview(ledger: Ledger) -> list[TargetView]:
    """Every registered target, once for each device that it was measured on."""
    targets = [target_of(record) for record in ledger.targets()]
    named = {target.device_id for target in targets}
    return [view for target in targets for view in views_of(ledger, target, named)]


def views_of(ledger: Ledger, target: Target, named: Collection[str | None] = ()) -> list[TargetView]:
    """A target, registered or not, once for each device that it was measured on.

    Args:
        ledger: of the measurements.
        target: what is timed.
        named: devices that belong to other targets.
    """
    by_device: dict[str, list[LatencyRecord]] = {}
    for latency in _measured(ledger, target, named):
        by_device.setdefault(latency.target, []).append(latency)
    if not by_device:
        return [TargetView(target=target, device_id=target.device_id)]
    return [_view(ledger, target, own) for own in by_device.values()]


def measurements_of(ledger: Ledger, target: Target) -> list[LatencyRecord]:
    """All measurements of a registered target, disturbed ones too, in the order in which they were stored."""
    named = {record.definition.get("device_id") for record in ledger.targets()}
    return _measured(ledger, target, named, include_invalid=True)


def _measured(
    ledger: Ledger, target: Target, named: Collection[str | None], *, include_invalid: bool = False
) -> list[LatencyRecord]:
    """Measurements of a target: of its device, else of devices of its kind that no target is named for."""
    found = ledger.latencies(
        target=target.device_id, workload_sha256=target.workload_sha256, include_invalid=include_invalid
    )
    if target.device_id is not None:
        return found
    return [record for record in found if record.target not in named and _fits(target, record)]


def _fits(target: Target, record: LatencyRecord) -> bool:
    """Whether a device of the target's kind measured, with as many threads."""
    kind = target.device.partition(":")[0]
    return record.device.get("device") == kind and record.device.get("threads") == target.threads


def _view(ledger: Ledger, target: Target, records: Sequence[LatencyRecord]) -> TargetView:
    last = records[-1]
    references = _references(records)
    predictor = predictor_of(ledger, last.target, target.workload_sha256)
    return TargetView(
        target=target,
        device_id=last.target,
        device=last.device,
        shapes=len({record.shape_key for record in records}),
        calibrations=sum(len(own) for own in references.values()),
        drift=_drift(references),
        measured_at=last.created_at,
        error=None if predictor is None else predictor.cross_validated(),
    )


def _references(records: Sequence[LatencyRecord]) -> dict[str, list[float]]:
    """Undisturbed latencies in milliseconds of each full model, oldest first."""
    found: dict[str, list[float]] = {}
    for record in records:
        if "reference_ms" in record.statistics and record.quality_flag != "contended":
            found.setdefault(record.shape_key, []).append(record.statistics["reference_ms"])
    return found


def _drift(references: Mapping[str, Sequence[float]]) -> float | None:
    drifts = [own[-1] / own[0] - 1 for own in references.values() if len(own) > 1]
    return max(drifts, key=abs, default=None)
