"""What the members of the front keep of each layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from nas.report.document import Block, Gallery, Paragraph, Picture, Section
from nas.report.heat_map import HeatPanel, heat_map_svg
from nas.report.thinning import thinned
from nas.study.report.reading import Reading
from nas.study.report.trial_tables import metric_cell
from nas.study.trial import Trial
from search_spaces import LayerShape, LayerUnits
from search_spaces.units import count

MOST_ROWS: Final = 40
MOST_SKYLINES: Final = 6


def architectures_section(reading: Reading) -> Section:
    """A heat map of kept units along the front, and pictures of some members."""
    blocks: tuple[Block, ...] = (Paragraph(text="The front is empty, so there is no architecture to show."),)
    if reading.front:
        blocks = (_heat_map(reading), _skylines(reading))
    return Section(title="Architectures", anchor="architectures", blocks=blocks)


def _heat_map(reading: Reading) -> Picture:
    by_size = sorted(reading.front, key=lambda t: (-t.metrics["num_parameters"], t.number))
    members = thinned(by_size, MOST_ROWS)
    shape = reading.spec.shape
    names = _layer_names(shape.num_hidden_layers, shape.num_encoder_layers)
    hidden = tuple((count(t.config.hidden) / shape.hidden_size,) for t in members)
    panels = [
        HeatPanel(title="Heads by layer", columns=names, shares=_shares(members, shape.layers, is_ffn=False)),
        HeatPanel(title="FFN by layer", columns=names, shares=_shares(members, shape.layers, is_ffn=True)),
        HeatPanel(title="Hidden", columns=("",), shares=hidden),
    ]
    title = "Kept units of the members of the front, the largest on top"
    caption = f"{title}; a cross is a removed sub-layer."
    if len(members) < len(by_size):
        caption += f" {len(members)} of {len(by_size):,} members, evenly spread."
    return Picture(
        svg=heat_map_svg(panels, [f"trial {t.number}" for t in members], title=title),
        caption=caption,
        description=f"Heat map. {title}. The sizes are in the table of the front.",
    )


def _shares(
    members: Sequence[Trial], layers: Sequence[LayerShape], *, is_ffn: bool
) -> tuple[tuple[float, ...], ...]:
    return tuple(
        tuple(_share(units, full, is_ffn=is_ffn) for units, full in zip(t.config.layers, layers, strict=True))
        for t in members
    )


def _share(units: LayerUnits | None, full: LayerShape, *, is_ffn: bool) -> float:
    if units is None:
        return 0.0
    if is_ffn:
        return count(units.ffn) / full.intermediate_size
    return units.num_attention_heads / full.num_attention_heads


def _layer_names(num_layers: int, num_encoder_layers: int) -> tuple[str, ...]:
    """Layers as people count them; an encoder's and a decoder's each from 1."""
    encoder = [f"E{index + 1}" for index in range(num_encoder_layers)]
    prefix = "D" if encoder else ""
    return (*encoder, *(f"{prefix}{index + 1}" for index in range(num_layers - num_encoder_layers)))


def _skylines(reading: Reading) -> Gallery:
    members = thinned(reading.front, MOST_SKYLINES)
    return Gallery(
        pictures=tuple(
            Picture(
                svg=trial.skyline(title=f"Trial {trial.number}"),
                caption=f"Trial {trial.number}: {_figures(trial)}",
                description=f"Architecture of trial {trial.number}: {trial.architecture}.",
            )
            for trial in members
        )
    )


def _figures(trial: Trial) -> str:
    names = [objective.metric for objective in trial.study.objectives]
    return ", ".join(f"{name} {metric_cell(trial, name)}" for name in names)
