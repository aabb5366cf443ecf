"""The copy that is trained equals the supernet, but for the weights that it was given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from nas.errors import ConfigError
from nas.recovery import learner_of
from nas.supernet import Supernet
from search_spaces import SubnetConfig


@pytest.mark.parametrize("kind", ["bert", "gpt2", "gpt_neox", "llama"])
def test_weights_that_are_written_are_the_slices_of_the_copy(
    kind: str, make_supernet: Callable[..., Supernet], target: SubnetConfig
) -> None:
    supernet = make_supernet(kind, pad_token_id=0)
    before = supernet.sha256
    own = {name: weight.clone() + 1 for name, weight in supernet.slices(target).items()}
    written = learner_of(supernet, target, own).slices(target)
    assert written.keys() == own.keys()
    assert all(torch.equal(written[name], weight) for name, weight in own.items())
    assert supernet.sha256 == before


def test_the_copy_answers_as_the_sub_network_with_these_weights(
    make_supernet: Callable[..., Supernet], target: SubnetConfig, tiny_batch: Callable[..., Any]
) -> None:
    supernet, inputs = make_supernet(), tiny_batch().inputs
    own = {name: weight * 1.5 for name, weight in supernet.slices(target).items()}
    learner = learner_of(supernet, target, own)
    with torch.no_grad():
        with supernet.active(target, own) as model:
            expected = model(**inputs).logits
        with learner.active(target) as model:
            assert torch.equal(model(**inputs).logits, expected)


def test_a_copy_without_weights_of_its_own_is_the_same_supernet(
    make_supernet: Callable[..., Supernet], target: SubnetConfig
) -> None:
    supernet = make_supernet()
    supernet.rank("random", seed=3)
    learner = learner_of(supernet, target)
    assert learner.sha256 == supernet.sha256
    assert learner.space("uniform").sha256 == supernet.space("uniform").sha256


def test_a_weight_of_another_size_is_refused(
    make_supernet: Callable[..., Supernet], target: SubnetConfig
) -> None:
    name = "bert.encoder.layer.0.intermediate.dense.bias"
    with pytest.raises(ConfigError, match=r"has shape \(5,\)"):
        learner_of(make_supernet(), target, {name: torch.zeros(5)})
