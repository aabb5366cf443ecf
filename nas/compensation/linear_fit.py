"""What dropped blocks would have added, fitted on the neurons of the kept block before them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import torch
from torch import nn

from nas.compensation.calibrating import Pass, calibration_pass, precise, stack_of
from nas.compensation.projections import Projection
from nas.compensation.runs import Run
from nas.errors import UnsupportedModelError
from nas.importance import CalibrationBatch
from nas.supernet import Supernet

#: By how much the answer to a probe may differ from a shift of the residual stream, as a share of it.
_TOLERANCE: Final = {torch.float64: 1e-6, torch.float32: 1e-3, torch.float16: 0.02, torch.bfloat16: 0.05}


@dataclass(frozen=True, kw_only=True, eq=False)
class SumPoint:
    """Where the output of a block's feed-forward sub-layer is added to the residual stream.

    Attributes:
        norm: the norm that the sum goes through, of post-norm blocks; None where the sum leaves the block.
        scale: what one unit of that output changes of the sum, by channel, `(hidden_size,)` in float64.
    """

    norm: nn.Module | None
    scale: torch.Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class Contribution:
    """What a run of dropped blocks adds to the stream, against the neurons of the block before it.

    Attributes:
        cross: mean of the contribution times the neurons, `(hidden_size, intermediate_size)` in float64.
        mean: mean of the contribution, `(hidden_size,)` in float64.
    """

    cross: torch.Tensor
    mean: torch.Tensor


def find_sum_points(supernet: Supernet, batch: CalibrationBatch) -> dict[int, SumPoint]:
    """Sum points by block: two forward passes of one batch.

    The second pass shifts the output of every feed-forward sub-layer; a block's sum is where just that shift
    arrives. Blocks where it arrives nowhere, e.g. since a norm comes before the sum, are left out.
    """
    first, second = _Probe(supernet), _Probe(supernet)
    first.run(batch)
    direction = torch.randn(supernet.shape.hidden_size, generator=torch.Generator().manual_seed(0))
    before = first.sums()
    shifts = {layer: direction * float(x.abs().float().median()) for layer, x in before.items()}
    second.run(batch, shifts=shifts, outputs=first.outputs)
    points = {}
    for layer, norm in enumerate(first.norms):
        after = second.norm_inputs[layer] if norm is not None else _tensor(second.outputs[layer])
        scale = _scale(before[layer], after, shifts[layer])
        if scale is not None:
            points[layer] = SumPoint(norm=norm, scale=scale)
    return points


def gather_contributions(
    supernet: Supernet,
    runs: Sequence[Run],
    points: dict[int, SumPoint],
    projections: Sequence[Projection],
    batches: Sequence[CalibrationBatch],
) -> dict[Run, Contribution]:
    """Contributions of several runs: one forward pass a batch for all of them together."""
    neurons = {p.layer: p.module(supernet.model) for p in projections if p.part == "ffn"}
    sums = {run: _ContributionSum() for run in runs}
    blocks = supernet.family.layers_of(supernet.model)
    with calibration_pass(supernet) as own:
        for run, total in sums.items():
            stack = stack_of(supernet, run.before)
            own.on_input(neurons[run.before], _rows_of(own, stack, total.see_neurons))
            _on_sum(own, blocks[run.before], points[run.before], _rows_of(own, stack, total.see_start))
            _on_sum(own, blocks[run.last], points[run.last], _rows_of(own, stack, total.see_end))
        own.run(batches)
    return {run: total.value(points[run.before].scale) for run, total in sums.items()}


def check_points(runs: Sequence[Run], points: dict[int, SumPoint], model_type: str) -> None:
    """Refuse runs whose blocks do not add to the stream in the open.

    Raises:
        UnsupportedModelError: with the other ways.
    """
    for layer in (layer for run in runs for layer in (run.before, run.last)):
        if layer not in points:
            raise UnsupportedModelError(
                f"compensation linear_fit does not fit {model_type}: the output of the feed-forward "
                f"projection of block {layer} is not added to the residual stream as it is; "
                "use layers: merge or drop"
            )


class _Probe:
    """One forward pass that notes what each block gives.

    Attributes:
        outputs: by block.
        norms: by block the norm whose output leaves the block, or None.
        norm_inputs: what that norm got, by block.
    """

    def __init__(self, supernet: Supernet) -> None:
        self._supernet = supernet
        self._blocks = supernet.family.layers_of(supernet.model)
        self.outputs: dict[int, Any] = {}
        self.norms: list[nn.Module | None] = []
        self.norm_inputs: dict[int, torch.Tensor] = {}

    def run(
        self,
        batch: CalibrationBatch,
        *,
        shifts: Mapping[int, torch.Tensor] = MappingProxyType({}),
        outputs: Mapping[int, Any] = MappingProxyType({}),
    ) -> None:
        """Forward a batch; with `outputs` each block gives what it gave then, whatever it computes."""
        supernet = self._supernet
        norm_outputs: dict[int, torch.Tensor] = {}
        last_norms = []
        with calibration_pass(supernet) as own:
            for layer, block in enumerate(self._blocks):
                table = supernet.family.block_of(supernet.shape, layer)
                norm = block.get_submodule(table.norms[-1])
                last_norms.append(norm)
                own.on_input(norm, _noting(self.norm_inputs, layer))
                own.on_output(norm, _noting(norm_outputs, layer))
                if layer in shifts:
                    own.on_output(block.get_submodule(table.ffn_output), _adding(shifts[layer]))
                own.on_output(block, _replacing(self.outputs, layer, outputs.get(layer)))
            own.run([batch])
        self.norms = [
            norm if _is_same(norm_outputs[layer], _tensor(self.outputs[layer])) else None
            for layer, norm in enumerate(last_norms)
        ]

    def sums(self) -> dict[int, torch.Tensor]:
        """By block, what its feed-forward output was added to, with that output."""
        return {
            layer: _tensor(self.outputs[layer]) if norm is None else self.norm_inputs[layer]
            for layer, norm in enumerate(self.norms)
        }


class _ContributionSum:
    """Sums over tokens; the three parts of a batch come in the order of the forward pass."""

    def __init__(self) -> None:
        self._neurons: torch.Tensor | None = None
        self._start: torch.Tensor | None = None
        self._cross: torch.Tensor | None = None
        self._first: torch.Tensor | None = None
        self._tokens = 0

    def see_neurons(self, rows: torch.Tensor) -> None:
        self._neurons = precise(rows)

    def see_start(self, rows: torch.Tensor) -> None:
        self._start = precise(rows)

    def see_end(self, rows: torch.Tensor) -> None:
        assert self._neurons is not None
        assert self._start is not None
        added = precise(rows) - self._start
        cross, first = added.T @ self._neurons, added.double().sum(dim=0)
        self._cross = cross if self._cross is None else self._cross.add_(cross)
        self._first = first if self._first is None else self._first.add_(first)
        self._tokens += len(added)

    def value(self, scale: torch.Tensor) -> Contribution:
        """Means, as outputs of the projection: what the sum point does to them is undone."""
        assert self._cross is not None
        assert self._first is not None
        inverse = torch.where(scale.abs() > 1e-6, 1.0 / scale, 0.0).to(self._cross.device)
        return Contribution(
            cross=self._cross.double() / self._tokens * inverse.unsqueeze(1),
            mean=self._first / self._tokens * inverse,
        )


def _scale(before: torch.Tensor, after: torch.Tensor, shift: torch.Tensor) -> torch.Tensor | None:
    """What the shift was multiplied by, by channel; None where something else happened.

    Medians, since a few channels of large models are so large that low precision loses the shift there.
    """
    change = (after.double() - before.double()).reshape(-1, before.shape[-1]).cpu()
    scale = change.median(dim=0).values / shift.double()
    rest = (change - scale * shift.double()).abs().median()
    tolerance = _TOLERANCE[before.dtype]
    if not float(rest) <= tolerance * float(change.abs().median()):
        return None
    return torch.where((scale - 1.0).abs() < tolerance, 1.0, scale)


def _on_sum(own: Pass, block: nn.Module, point: SumPoint, see: Callable[[torch.Tensor], None]) -> None:
    if point.norm is not None:
        own.on_input(point.norm, see)
    else:
        own.on_output(block, lambda output: see(_tensor(output)))


def _rows_of(own: Pass, stack: int, see: Callable[[torch.Tensor], None]) -> Callable[[torch.Tensor], None]:
    return lambda x: see(own.rows(x, stack))


def _noting(table: dict[int, torch.Tensor], layer: int) -> Callable[[torch.Tensor], None]:
    def note(x: torch.Tensor) -> None:
        table[layer] = x.detach()

    return note


def _adding(shift: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda output: output + shift.to(output.device, output.dtype)


def _replacing(table: dict[int, Any], layer: int, given: Any) -> Callable[[Any], Any]:
    def note(output: Any) -> Any:
        table[layer] = output
        return given

    return note


def _is_same(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.shape == other.shape and bool(torch.equal(one, other))


def _tensor(output: Any) -> torch.Tensor:
    tensor: torch.Tensor = output[0] if isinstance(output, tuple) else output
    return tensor
