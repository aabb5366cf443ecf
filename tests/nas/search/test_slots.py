"""Search spaces as slots."""

from __future__ import annotations

import pytest

from nas.search.design.slots import Slot, config_of, merged, slots_of, thinned
from nas.supernet import Supernet


@pytest.mark.parametrize("kind", ["uniform", "medium", "layer", "sublayer", "large"])
def test_the_first_fillings_make_the_smallest_point_and_the_last_the_largest(
    supernet: Supernet, kind: str
) -> None:
    space = supernet.space(kind)
    slots = slots_of(space)
    assert config_of(space, merged([slot.fillings[0] for slot in slots])) == space.smallest()
    assert config_of(space, merged([slot.fillings[-1] for slot in slots])) == space.largest()


def test_a_slot_knows_its_layer(supernet: Supernet) -> None:
    layers = {slot.name: slot.layer for slot in slots_of(supernet.space("medium"))}
    assert layers["layers.2.intermediate_size"] == 2
    assert layers["hidden_size"] is None


def test_switches_of_one_part_are_one_slot_that_empties_from_its_end(supernet: Supernet) -> None:
    slots = slots_of(supernet.space("large"))
    heads = next(slot for slot in slots if slot.layer == 0 and len(slot.fillings) == 5)
    assert [list(filling.values()) for filling in heads.fillings][1:4] == [
        [1, 0, 0, 0],
        [1, 1, 0, 0],
        [1, 1, 1, 0],
    ]


def test_thinning_keeps_both_ends(supernet: Supernet) -> None:
    del supernet
    slot = Slot(name="width", layer=None, fillings=tuple({"width": n} for n in range(17)))
    widths = [filling["width"] for filling in thinned(slot, 5).fillings]
    assert widths == [0, 4, 8, 12, 16]
