"""The weights of sub-networks that make up for what they lack."""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence

import torch

from nas.compensation.closed_form import Fitted, Moments, fit_target, fit_units
from nas.compensation.linear_fit import Contribution
from nas.compensation.merging import merged_weights
from nas.compensation.options import Compensation
from nas.compensation.projections import Projection, check_biases
from nas.compensation.runs import Run, runs_of
from nas.compensation.statistics import Statistics
from nas.elastic import cut
from nas.errors import ConfigError
from nas.importance import CalibrationBatch
from nas.supernet import Supernet
from nas.supernet.activation import is_removed
from nas.supernet.rotation import PCA_ROTATION, norm_correction
from search_spaces import SubnetConfig


class Compensator:
    """Computes the weights of sub-networks from statistics of the full model, gathered when first needed.

    Statistics are gathered anew when the supernet's weights have changed.

    Attributes:
        compensation: the method.
        seconds: wall time spent so far, statistics and closed forms together.
    """

    def __init__(
        self,
        supernet: Supernet,
        compensation: Compensation | None = None,
        batches: Sequence[CalibrationBatch] | None = None,
    ) -> None:
        """Nothing is computed yet.

        Args:
            supernet: as it is evaluated or exported.
            compensation: the method; `lstsq` unless given.
            batches: calibration data; those that the supernet remembers unless given.

        Raises:
            ConfigError: there is no calibration data, but the method needs some.
            UnsupportedModelError: the method writes biases that the model does not have.
        """
        self.compensation = compensation or Compensation()
        self.seconds = 0.0
        self._supernet = supernet
        given = supernet.calibration if batches is None else batches
        self._statistics = Statistics(supernet, leading(given, self.compensation.examples))
        self._check()

    @property
    def passes(self) -> int:
        """Forward passes of one batch spent on statistics so far; variants spend them together."""
        return self._statistics.passes

    def variant(self, compensation: Compensation) -> Compensator:
        """A compensator of another method on the same statistics.

        Raises:
            ConfigError: it looks at another number of examples.
            UnsupportedModelError: the method writes biases that the model does not have.
        """
        if compensation.examples != self.compensation.examples:
            raise ConfigError(
                f"compensation: examples is {compensation.examples}, but the statistics are of "
                f"{self.compensation.examples}; make a new Compensator"
            )
        other = copy.copy(self)
        other.compensation, other.seconds = compensation, 0.0
        other._check()
        return other

    def weights(self, config: SubnetConfig) -> dict[str, torch.Tensor]:
        """What `supernet.active` and `supernet.extract` take as `weights`, by name; none for the full model.

        Raises:
            SpaceError: units that the model does not have.
            UnsupportedModelError: `linear_fit` of an architecture that it does not fit.
            ConfigError: `merge` in a supernet whose orders of units are not known.
        """
        start = time.monotonic()
        supernet = self._supernet
        config = config.canonical(supernet.shape)
        self._statistics.refresh()
        with supernet.active(supernet.full), torch.no_grad():
            weights = self._weights(config)
        self.seconds += time.monotonic() - start
        return weights

    def _weights(self, config: SubnetConfig) -> dict[str, torch.Tensor]:
        supernet, shape, layers = self._supernet, self._supernet.shape, self.compensation.layers
        runs = () if layers == "drop" else runs_of(config, shape)
        fitted = [run for run in runs if layers == "linear_fit" and _keeps_neurons(config, run.before)]
        whole = merged_weights(supernet, config, runs) if layers == "merge" else {}
        fits = self._statistics.contributions(fitted)
        weights = {name: cut(weight, shape.by_name[name], config, shape) for name, weight in whole.items()}
        for projection in self._statistics.projections:
            fit = fits.get(projection.layer) if projection.part == "ffn" else None
            weights |= self._projected(projection, config, whole, fit)
        for run in fitted:
            weights |= self._last_norm(run, config)
        if supernet.ranking.get("hidden") == PCA_ROTATION:
            weights = {**norm_correction(supernet, config), **weights}
        return weights

    def _projected(
        self,
        projection: Projection,
        config: SubnetConfig,
        whole: dict[str, torch.Tensor],
        fit: Contribution | None,
    ) -> dict[str, torch.Tensor]:
        """The new weight of a projection, and its bias where that changes; none where nothing does."""
        units = config.layers[projection.layer]
        if units is None or is_removed(projection.part, units):
            return {}
        shape = self._supernet.shape
        parameter = self._parameter(projection.weight.name, whole)
        kept = projection.kept_inputs(config, shape).to(parameter.device)
        is_cut = len(kept) < parameter.shape[projection.units_dim]
        if fit is None and not (is_cut and self.compensation.units != "none"):
            return {}
        outputs = projection.kept_outputs(config, shape).to(parameter.device)
        weight = projection.oriented(parameter)[outputs].double()
        moments = self._statistics.moments(projection.path)
        fitted = [
            fit_units(self.compensation.units, weight, moments, kept, group=projection.group),
            *_target_of(fit, outputs, moments, kept, has_bias=projection.bias is not None),
        ]
        total = torch.stack([one.weight for one in fitted]).sum(dim=0)
        new = {projection.weight.name: projection.oriented(total).to(parameter.dtype).contiguous()}
        shifts = [one.shift for one in fitted if one.shift is not None]
        if projection.bias is not None and shifts:
            bias = self._parameter(projection.bias.name, whole)
            shifted = bias[outputs].double() + torch.stack(shifts).sum(dim=0)
            new[projection.bias.name] = shifted.to(bias.dtype)
        return new

    def _last_norm(self, run: Run, config: SubnetConfig) -> dict[str, torch.Tensor]:
        """In post-norm models the kept block's last norm becomes that of the last dropped block."""
        points = self._statistics.sum_points()
        norm, last = points[run.before].norm, points[run.last].norm
        if norm is None or last is None:
            return {}
        shape = self._supernet.shape
        path = next(path for path, module in self._supernet.model.named_modules() if module is norm)
        return {
            f"{path}.{name}": cut(parameter.detach(), shape.by_name[f"{path}.{name}"], config, shape)
            for name, parameter in last.named_parameters()
        }

    def _parameter(self, name: str, whole: dict[str, torch.Tensor]) -> torch.Tensor:
        """A whole weight, merged where it was."""
        return whole[name] if name in whole else self._supernet.model.get_parameter(name).detach()

    def _check(self) -> None:
        method = self.compensation
        if method.needs_biases:
            check_biases(self._statistics.projections, self._supernet.shape.model_type, method.units)
        if method.needs_moments and not self._statistics.batches:
            raise ConfigError(
                f"compensation {method.units}, {method.layers} needs calibration data; rank the supernet "
                "with batches, or call supernet.calibrate(batches)"
            )


def compensate(
    supernet: Supernet,
    config: SubnetConfig,
    batches: Sequence[CalibrationBatch] | None = None,
    *,
    compensation: Compensation | None = None,
) -> dict[str, torch.Tensor]:
    """Weights of one sub-network that make up for what it lacks; see `Compensator`, which serves many.

    They are what `supernet.active`, `supernet.extract` and `nas.export_subnet` take as `weights`.
    """
    return Compensator(supernet, compensation, batches).weights(config)


def leading(batches: Sequence[CalibrationBatch], examples: int) -> tuple[CalibrationBatch, ...]:
    """Whole batches from the first on, until there are so many rows."""
    taken: list[CalibrationBatch] = []
    rows = 0
    for batch in batches:
        if rows >= examples:
            break
        taken.append(batch)
        rows += len(next(iter(batch.inputs.values())))
    return tuple(taken)


def _keeps_neurons(config: SubnetConfig, layer: int) -> bool:
    units = config.layers[layer]
    return units is not None and not is_removed("ffn", units)


def _target_of(
    fit: Contribution | None,
    outputs: torch.Tensor,
    moments: Moments,
    kept: torch.Tensor,
    *,
    has_bias: bool,
) -> list[Fitted]:
    if fit is None:
        return []
    return [fit_target(fit.cross[outputs], fit.mean[outputs], moments, kept, has_bias=has_bias)]
