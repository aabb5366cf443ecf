"""The families as a Markdown table: `python -m nas.families.table`."""

from __future__ import annotations

import inspect
from typing import Final

from nas.families.family import Family
from nas.families.registry import known_families

_HEADER: Final = (
    "| `model_type` | architecture | stacks | a `plain` sub-network | limits |",
    "| --- | --- | --- | --- | --- |",
)


def models_table() -> str:
    """A row for each family, in the order of their first `model_type`."""
    rows = sorted((family.model_types[0], _row(family)) for family in known_families())
    return "\n".join((*_HEADER, *(row for _, row in rows)))


def _row(family: Family) -> str:
    names = ", ".join(f"`{name}`" for name in family.model_types)
    about = inspect.getdoc(type(family)) or ""
    stacks = "encoder and decoder" if len(family.blocks) > 1 else "decoder" if family.is_causal else "encoder"
    plain = "equal blocks" if family.has_head_dim else "equal blocks, `hidden_size` = heads x `head_dim`"
    limits = "; ".join(f"{dimension}: {reason}" for dimension, reason in family.limits.items())
    return f"| {names} | {about.splitlines()[0]} | {stacks} | {plain} | {limits or ''} |"


if __name__ == "__main__":
    print(models_table())  # noqa: T201 - a command
