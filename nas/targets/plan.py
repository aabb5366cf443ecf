"""What to measure on a device that has neither Ray nor the checkpoint, as one file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from nas.errors import ConfigError
from nas.evaluation import Skeleton, Target, shape_key
from nas.evaluation.latency import sizes_only
from nas.families import family_of
from nas.targets.documents import (
    canonical,
    checked_keys,
    parsed,
    read_bounded,
    sha256_of,
    signed,
    unsigned,
)
from nas.targets.structure import portable_config, structure_of
from search_spaces import ModelShape, SpaceError, SubnetConfig
from workers import LatencyProtocol

FORMAT: Final = "nas-latency-plan/1"
#: Shapes of one plan, the full model among them.
MAX_SHAPES: Final = 2_000
_KEYS: Final = (
    "format",
    "model",
    "task",
    "shape_sha256",
    "target",
    "workload_sha256",
    "protocol",
    "full",
    "shapes",
)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Shapes to be measured beside the full model, and all that a device needs to build them.

    Attributes:
        model: the model's config, see `portable_config`.
        task: what its head is for.
        shape_sha256: hash of the full model's shape; the device must come to the same.
        target: the workload; the device may choose its own `device` and `threads`.
        protocol: how latency is sampled.
        full: shape key of the full model.
        shapes: sub-networks by shape key, sizes only, the full model left out.
    """

    model: Mapping[str, Any]
    task: str
    shape_sha256: str
    target: Target
    protocol: LatencyProtocol
    full: str
    shapes: Mapping[str, SubnetConfig]

    @cached_property
    def sha256(self) -> str:
        """Hash of everything in the plan."""
        return sha256_of(self.to_json())

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dict; `from_json` reads it back."""
        return {
            "format": FORMAT,
            "model": dict(self.model),
            "task": self.task,
            "shape_sha256": self.shape_sha256,
            "target": self.target.describe(),
            "workload_sha256": self.target.workload_sha256,
            "protocol": asdict(self.protocol),
            "full": self.full,
            "shapes": {key: config.to_json() for key, config in self.shapes.items()},
        }

    @staticmethod
    def from_json(record: Mapping[str, Any]) -> Plan:
        """Read what `to_json` wrote.

        Raises:
            ConfigError: another form, or a workload that this version hashes otherwise.
        """
        if record.get("format") != FORMAT:
            raise ConfigError(
                f"the plan's format is {str(record.get('format'))[:80]!r}; this version reads {FORMAT}"
            )
        checked_keys(record, _KEYS, "the plan")
        try:
            plan = Plan(
                model=dict(record["model"]),
                task=str(record["task"]),
                shape_sha256=str(record["shape_sha256"]),
                target=Target(**record["target"]),
                protocol=LatencyProtocol(**record["protocol"]),
                full=str(record["full"]),
                shapes={str(key): SubnetConfig.from_json(own) for key, own in record["shapes"].items()},
            )
        except (TypeError, ValueError, AttributeError) as error:
            raise ConfigError(f"the plan cannot be read: {error}") from error
        if plan.target.workload_sha256 != record["workload_sha256"]:
            raise ConfigError(
                "the plan's workload has another hash here: it was made by another version, make it anew"
            )
        _check_number(len(plan.shapes) + 1)
        return plan

    def write(self, path: Path) -> None:
        """Write the plan as one JSON file, its hash in it."""
        path.write_text(canonical(signed(self.to_json())) + "\n", encoding="utf-8")

    @staticmethod
    def read(path: Path) -> Plan:
        """Read what `write` wrote.

        Raises:
            ConfigError: no plan is there, or it was changed.
        """
        what = f"plan {path}"
        return Plan.from_json(unsigned(parsed(read_bounded(path), what), what))

    def skeleton(self) -> Skeleton:
        """The model's structure, proven to be the one that was planned for.

        Raises:
            ConfigError: this version builds another model from the config, or names a shape otherwise.
        """
        skeleton = structure_of(self.model, self.task)
        shape = _shape_of(skeleton)
        if sha256_of(shape.to_json()) != self.shape_sha256:
            raise ConfigError(
                "the model built here has another shape than the plan's; use the versions of subnas and "
                "transformers that the plan was made with"
            )
        planned = {self.full: SubnetConfig.full(shape), **self.shapes}
        for key, config in planned.items():
            _check_key(key, config, shape)
        return skeleton


def make_plan(
    config: Any,
    shape: ModelShape,
    *,
    task: str,
    target: Target,
    subnets: Iterable[SubnetConfig],
    protocol: LatencyProtocol | None = None,
) -> Plan:
    """Plan the shapes of sub-networks, each once, and the full model.

    Args:
        config: the full model's, of transformers.
        shape: the full model's.
        task: what its head is for.
        target: whose workload is measured; where it is reached is left out.
        subnets: which ones; equal shapes are measured once.
        protocol: how latency is sampled.

    Raises:
        ConfigError: the model cannot be rebuilt from its config alone, or there are too many shapes.
    """
    full = SubnetConfig.full(shape)
    sizes = [sizes_only(subnet.canonical(shape)) for subnet in subnets]
    shapes = {shape_key(shape, own): own for own in sizes}
    shapes.pop(shape_key(shape, full), None)
    _check_number(len(shapes) + 1)
    plan = Plan(
        model=portable_config(config),
        task=task,
        shape_sha256=sha256_of(shape.to_json()),
        target=without_place(target),
        protocol=protocol or LatencyProtocol(),
        full=shape_key(shape, full),
        shapes=shapes,
    )
    if sha256_of(_shape_of(structure_of(plan.model, task)).to_json()) != plan.shape_sha256:
        raise ConfigError(
            "the supernet's structure is not what its config says (a rotated embedding dimension, or added "
            "biases), and a device has nothing else to build it from; measure it where the supernet is"
        )
    return plan


def without_place(target: Target) -> Target:
    """The target's workload, reached anywhere."""
    return replace(target, labels={}, device_id=None)


def _shape_of(skeleton: Skeleton) -> ModelShape:
    return family_of(skeleton.module.config.model_type).describe(skeleton.module)


def _check_key(key: str, config: SubnetConfig, shape: ModelShape) -> None:
    try:
        found = shape_key(shape, config.canonical(shape))
    except SpaceError as error:
        raise ConfigError(f"shape {key[:40]} of the plan does not fit its model: {error}") from error
    if found != key:
        raise ConfigError(f"shape {key[:40]} of the plan is {found} by its sizes; make the plan anew")


def _check_number(number: int) -> None:
    if number > MAX_SHAPES:
        raise ConfigError(f"the plan has {number:,} shapes; allowed are {MAX_SHAPES:,}: measure fewer")
