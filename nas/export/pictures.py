"""Pictures of an exported folder: the architecture, and the front that it was chosen from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from nas.report import subnet_skyline
from search_spaces import ModelShape, SubnetConfig

ARCHITECTURE: Final = "architecture.svg"
FRONT: Final = "front.svg"


def picture_names(front: str | None) -> tuple[str, ...]:
    """Files that a folder gets; the front only where somebody drew it."""
    return (ARCHITECTURE,) if front is None else (ARCHITECTURE, FRONT)


def write_pictures(
    folder: Path, shape: ModelShape, config: SubnetConfig, record: Mapping[str, Any], front: str | None
) -> None:
    """Write the architecture as a skyline, and the front, which is SVG, as it was given."""
    skyline = subnet_skyline(shape, config, title=_title(record))
    (folder / ARCHITECTURE).write_text(skyline, encoding="utf-8", newline="\n")
    if front is not None:
        (folder / FRONT).write_text(front, encoding="utf-8", newline="\n")


def architecture_picture(record: Mapping[str, Any]) -> list[str]:
    """Markdown of the model card: heads up, FFN down, what was removed in grey."""
    if ARCHITECTURE not in _names(record):
        return []
    return [
        f"![Kept heads and FFN width of each layer beside the full model's]({ARCHITECTURE})",
        "Bars up are attention heads, bars down FFN width, the band between them is the hidden size; grey is "
        "what was removed.",
    ]


def front_picture(record: Mapping[str, Any]) -> list[str]:
    """Markdown of the model card: the search's front with this sub-network in a ring."""
    if FRONT not in _names(record):
        return []
    text = "All sub-networks of the study; this one is in a ring."
    if record["recovery"] is not None:
        text += " Scores are those of the search, before the training after pruning."
    return [f"![Pareto front of the study, this sub-network in a ring]({FRONT})", text]


def _names(record: Mapping[str, Any]) -> Sequence[str]:
    return tuple(record.get("pictures", ()))


def _title(record: Mapping[str, Any]) -> str:
    if record["study"] is None or record["trial"] is None:
        return "Sub-network"
    return f"Trial {record['trial']} of {record['study']}"
