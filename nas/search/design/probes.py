"""The sub-networks whose losses say what each sub-layer is worth."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from search_spaces import LayerUnits, ModelShape, SubnetConfig
from search_spaces.units import count

#: A sub-layer by layer and part; the embedding dimension; the heads of all layers where they are shared.
Block = tuple[int, Literal["attention", "ffn"]] | Literal["hidden", "heads"]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How much of each sub-layer is kept: in what stays as it is, and in what is probed.

    Attributes:
        rest: share of its units that every sub-layer keeps while another one is probed.
        shares: of the sub-layer that is probed.
    """

    rest: float
    shares: tuple[float, ...]


#: The finest first; from models with more layers fewer sizes are affordable.
PLANS: Final = (
    Plan(rest=0.5, shares=(0.0, 0.25, 1.0)),
    Plan(rest=0.5, shares=(0.0, 1.0)),
    Plan(rest=1.0, shares=(0.0,)),
)


@dataclass(frozen=True, kw_only=True)
class Probe:
    """The plan's model with one block of another size.

    Attributes:
        kind: equal for probes that can be compared, the same part at the same share.
        share: of the block's units that it keeps.
    """

    block: Block
    kind: tuple[str, float]
    share: float
    config: SubnetConfig


def rest_of(shape: ModelShape, plan: Plan) -> SubnetConfig:
    """The sub-network that probes differ from in one block each; its embedding is whole."""
    full = SubnetConfig.full(shape)
    layers = []
    for units in full.layers:
        assert units is not None
        heads, ffn = (max(1, round(plan.rest * count(kept))) for kept in (units.heads, units.ffn))
        layers.append(replace(units, heads=heads, ffn=ffn))
    return replace(full, layers=tuple(layers)).canonical(shape)


def probes_of(shape: ModelShape, plan: Plan, *, hidden_sizes: Sequence[int] = ()) -> list[Probe]:
    """Every sub-layer at the plan's shares, and the whole at narrower embeddings.

    Where blocks share their heads, these are changed together, and an attention can go as a whole.
    """
    rest = rest_of(shape, plan)
    probes = [probe for probe in _every(shape, plan, rest, hidden_sizes) if probe.config != rest]
    return list({(probe.block, probe.share): probe for probe in probes}.values())


def _every(shape: ModelShape, plan: Plan, rest: SubnetConfig, hidden_sizes: Sequence[int]) -> Iterator[Probe]:
    firsts = {stack.start for stack in shape.stacks}
    for share in plan.shares:
        for index in range(shape.num_hidden_layers):
            if not shape.has_shared_heads or (share == 0.0 and index not in firsts):
                yield _attention(shape, rest, (index, "attention"), share)
            yield _ffn(shape, rest, index, share)
        if shape.has_shared_heads and share > 0.0:
            yield _attention(shape, rest, "heads", share)
    for size in hidden_sizes:
        share = size / shape.hidden_size
        yield Probe(block="hidden", kind=("hidden", share), share=share, config=replace(rest, hidden=size))


def _attention(shape: ModelShape, rest: SubnetConfig, block: Block, share: float) -> Probe:
    """Heads are whole, so the share is what they are of all; those of every layer where they are shared."""
    index = 0 if block == "heads" else int(block[0])
    most = shape.layers[index].num_key_value_heads
    heads = max(round(share * most), int(share > 0.0))
    layers = range(len(rest.layers)) if block == "heads" else [index]
    config = _changed(shape, rest, layers, lambda units: replace(units, heads=heads))
    return Probe(block=block, kind=("attention", share), share=heads / most, config=config)


def _ffn(shape: ModelShape, rest: SubnetConfig, index: int, share: float) -> Probe:
    most = shape.layers[index].intermediate_size
    width = round(share * most)
    config = _changed(shape, rest, [index], lambda units: replace(units, ffn=width))
    return Probe(block=(index, "ffn"), kind=("ffn", share), share=width / most, config=config)


def _changed(
    shape: ModelShape,
    rest: SubnetConfig,
    layers: Sequence[int],
    change: Callable[[LayerUnits], LayerUnits],
) -> SubnetConfig:
    changed = [
        change(units) if units is not None and index in layers else units
        for index, units in enumerate(rest.layers)
    ]
    return replace(rest, layers=tuple(changed)).canonical(shape)
