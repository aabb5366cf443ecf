"""Biases that an architecture's stock class can have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import nas
from nas.compensation import Compensation, add_output_biases
from nas.errors import UnsupportedModelError
from nas.export import ExportFacts
from nas.supernet import Supernet
from search_spaces import LayerUnits, SubnetConfig

MakeSupernet = Callable[..., Supernet]


def test_the_function_stays_and_every_new_weight_is_counted(make_supernet: MakeSupernet) -> None:
    plain = make_supernet("llama")
    supernet = add_output_biases(plain)
    inputs = plain.calibration[0].inputs
    with torch.no_grad():
        assert torch.equal(supernet.model(**inputs).logits, plain.model(**inputs).logits)
    counted = supernet.cost(supernet.full).num_parameters
    assert counted == sum(parameter.numel() for parameter in supernet.model.parameters())
    a_layer = 24 + 8 + 8 + 24 + 20 + 20 + 24  # q, k, v, o, gate, up, down
    assert counted == plain.cost(plain.full).num_parameters + 3 * a_layer
    assert len(supernet.calibration) == len(plain.calibration)


def test_the_supernet_itself_is_left_alone(make_supernet: MakeSupernet) -> None:
    plain = make_supernet("llama")
    before = plain.sha256
    with torch.no_grad():
        add_output_biases(plain).model.score.weight.zero_()
    assert plain.sha256 == before
    assert not plain.model.config.attention_bias


def test_where_all_biases_are_there_nothing_is_copied(make_supernet: MakeSupernet) -> None:
    supernet = make_supernet("bert")
    assert add_output_biases(supernet) is supernet


def test_a_stock_class_without_biases_is_refused(make_supernet: MakeSupernet) -> None:
    with pytest.raises(UnsupportedModelError, match=r"gemma2 has no bias at .*down_proj"):
        add_output_biases(make_supernet("gemma2"))


def test_a_saved_supernet_keeps_its_biases(make_supernet: MakeSupernet, tmp_path: Path) -> None:
    supernet = add_output_biases(make_supernet("llama"))
    with torch.no_grad():
        supernet.model.get_parameter("model.layers.0.mlp.down_proj.bias").fill_(0.5)
    assert Supernet.load(supernet.save(tmp_path / "supernet")).sha256 == supernet.sha256


@pytest.mark.slow  # the export is proven in a fresh process
@pytest.mark.parametrize("ffn", [(12, 12), (12, 8)], ids=["plain", "custom-code"])
def test_a_sub_network_with_shifted_biases_is_exported(
    make_supernet: MakeSupernet, tmp_path: Path, ffn: tuple[int, int]
) -> None:
    supernet = add_output_biases(make_supernet("llama"))
    layers = (*(LayerUnits(heads=1, queries=3, ffn=width) for width in ffn), None)
    config = SubnetConfig(hidden=24, layers=layers)
    compensation = Compensation(units="lstsq_bias", layers="linear_fit")
    weights = nas.compensate(supernet, config, compensation=compensation)
    assert any(name.endswith("down_proj.bias") for name in weights)
    report = nas.export_subnet(
        supernet, config, tmp_path / "out", facts=ExportFacts(), weights=weights, overwrite=False
    )
    assert report.portability == ("plain" if ffn == (12, 12) else "custom-code")
    assert report.num_parameters == supernet.cost(config).num_parameters
