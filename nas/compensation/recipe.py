"""What a worker needs to compensate sub-networks as the driver and an export do."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch

from nas.compensation.compensator import Compensator, leading
from nas.compensation.options import Compensation
from nas.supernet import Supernet
from nas.supernet.calibration import Remembered, calibration_sha256, remembered
from nas.supernet.orders import UnitOrders
from search_spaces import SubnetConfig


@dataclass(frozen=True, kw_only=True, eq=False)
class Recipe:
    """A compensation with its calibration data, picklable.

    Attributes:
        compensation: the method.
        batches: calibration data, no more than the method looks at.
        ranking: importance method of each ranked axis of the supernet.
        unit_orders: where the pretrained model had the supernet's units.
    """

    compensation: Compensation
    batches: tuple[Remembered, ...]
    ranking: Mapping[str, str] = field(default_factory=dict)
    unit_orders: UnitOrders = field(default_factory=UnitOrders, repr=False)

    @staticmethod
    def of(supernet: Supernet, compensation: Compensation) -> Recipe:
        """A compensation with what a supernet remembers.

        Raises:
            ConfigError: the supernet remembers no calibration data.
            UnsupportedModelError: the method writes biases that the model does not have.
        """
        Compensator(supernet, compensation)  # says what does not fit
        needed = leading(supernet.calibration, compensation.examples) if compensation.needs_moments else ()
        return Recipe(
            compensation=compensation,
            batches=remembered(needed),
            ranking=dict(supernet.ranking),
            unit_orders=supernet.unit_orders,
        )

    @cached_property
    def sha256(self) -> str:
        """Hash of the method and the calibration data."""
        record = [self.compensation.to_json(), calibration_sha256(self.batches)]
        return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()

    def describe(self) -> dict[str, Any]:
        """What a study records; `passes` are forward passes of one batch that each worker spends once."""
        return {
            **self.compensation.to_json(),
            "sha256": self.sha256,
            "passes": len(self.batches),
            "passes_a_run_of_layers": len(self.batches) if self.compensation.layers == "linear_fit" else 0,
        }

    def compensator(self, supernet: Supernet) -> Compensator:
        """A compensator for a worker's own supernet, which takes over what is noted here."""
        supernet.ranking = dict(self.ranking)
        supernet.unit_orders = self.unit_orders
        return Compensator(supernet, self.compensation, self.batches)


def recipe_of(supernet: Supernet, compensation: Compensation | None) -> Recipe | None:
    """The recipe of a compensation, None where nothing is compensated; `Recipe.of` says what is raised."""
    return None if compensation is None or compensation.is_empty else Recipe.of(supernet, compensation)


def weights_of(
    recipe: Recipe | None, supernet: Supernet
) -> Callable[[SubnetConfig], Mapping[str, torch.Tensor] | None]:
    """What a worker asks for the weights of each sub-network; None are the slices."""
    return (lambda _: None) if recipe is None else recipe.compensator(supernet).weights
