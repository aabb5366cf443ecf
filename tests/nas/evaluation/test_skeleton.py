"""A supernet in transit: small structure, shared weights."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nas.evaluation import DatasetEvaluator, arrays_of, assemble, shared_weights, skeleton_of
from nas.evaluation.skeleton import random_model
from nas.supernet import Supernet
from search_spaces import SubnetConfig
from workers import FileRegion, mapped

KINDS = ("bert", "roberta", "electra_projected")


@pytest.fixture(params=KINDS)
def any_supernet(request: pytest.FixtureRequest, tiny_model: Callable[..., Any]) -> Supernet:
    """A family each."""
    supernet = Supernet.from_model(tiny_model(request.param))
    supernet.layer_order = (1, 2, 0)
    return supernet


def read_only(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """As a pool hands them to a worker."""
    views = {name: array.copy() for name, array in arrays.items()}
    for view in views.values():
        view.flags.writeable = False
    return views


def test_a_supernet_survives_the_journey(any_supernet: Supernet, tiny_batch: Callable[..., Any]) -> None:
    skeleton = pickle.loads(pickle.dumps(skeleton_of(any_supernet)))
    again = assemble(skeleton, arrays_of(any_supernet))
    batch = tiny_batch().inputs
    with torch.no_grad():
        assert torch.equal(again.model(**batch).logits, any_supernet.model(**batch).logits)
    assert again.shape == any_supernet.shape
    assert again.layer_order == any_supernet.layer_order
    assert again.task == any_supernet.task


def test_its_sub_networks_survive_too(
    supernet: Supernet, mixed: SubnetConfig, tiny_batch: Callable[..., Any]
) -> None:
    again = assemble(skeleton_of(supernet), arrays_of(supernet))
    batch = tiny_batch().inputs
    with torch.no_grad(), supernet.active(mixed) as one, again.active(mixed) as other:
        assert torch.equal(one(**batch).logits, other(**batch).logits)


def test_weights_are_the_arrays_themselves(supernet: Supernet) -> None:
    arrays = read_only(arrays_of(supernet))
    again = assemble(skeleton_of(supernet), arrays)
    for name, parameter in again.model.named_parameters():
        assert np.shares_memory(parameter.detach().numpy(), arrays[name])


def test_arrays_are_the_supernets_own_memory(supernet: Supernet) -> None:
    arrays = arrays_of(supernet)
    for name, parameter in supernet.model.named_parameters():
        assert np.shares_memory(parameter.detach().numpy(), arrays[name])


def test_a_skeleton_is_small_without_the_weights(make_supernet: Callable[..., Supernet]) -> None:
    small, large = make_supernet(), make_supernet(vocab_size=20_000)
    weights = sum(array.nbytes for array in arrays_of(large).values())
    assert weights > 2_000_000
    size = len(pickle.dumps(skeleton_of(large)))
    assert size < 100_000
    assert abs(size - len(pickle.dumps(skeleton_of(small)))) < 100


def test_making_a_skeleton_leaves_the_supernet_as_it_is(supernet: Supernet) -> None:
    before = supernet.sha256
    skeleton_of(supernet)
    assert supernet.sha256 == before
    assert all(parameter.device.type == "cpu" for parameter in supernet.model.parameters())


def test_evaluation_never_writes_to_the_shared_arrays(
    supernet: Supernet, data: Any, mixed: SubnetConfig
) -> None:
    arrays = read_only(arrays_of(supernet))
    before = {name: array.tobytes() for name, array in arrays.items()}
    evaluator = DatasetEvaluator(data=data, precision="float32").prepare(supernet)
    worker = evaluator.factory(skeleton_of(supernet))(arrays)
    for config in (supernet.full, mixed, supernet.full):
        worker(config.to_json())
    assert {name: array.tobytes() for name, array in arrays.items()} == before


def test_another_precision_is_a_copy_of_its_own(supernet: Supernet) -> None:
    arrays = arrays_of(supernet)
    again = assemble(skeleton_of(supernet), arrays, dtype=torch.bfloat16)
    assert {parameter.dtype for parameter in again.model.parameters()} == {torch.bfloat16}
    assert supernet.model.dtype == torch.float32


def test_a_random_model_has_the_sub_networks_shapes(supernet: Supernet, mixed: SubnetConfig) -> None:
    for config in (supernet.full, mixed):
        random = random_model(skeleton_of(supernet), config, dtype=torch.float32, device="cpu")
        expected = {name: p.shape for name, p in supernet.extract(config).named_parameters()}
        assert {name: p.shape for name, p in random.named_parameters()} == expected


def test_a_random_model_runs_and_its_outputs_are_finite(
    any_supernet: Supernet, tiny_batch: Callable[..., Any]
) -> None:
    small = any_supernet.space("uniform").middle()
    random: Any = random_model(skeleton_of(any_supernet), small, dtype=torch.float32, device="cpu")
    with torch.no_grad():
        assert torch.isfinite(random(**tiny_batch().inputs).logits).all()
    assert not any(parameter.requires_grad for parameter in random.parameters())


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_weights_travel_in_the_precision_of_the_supernet(
    dtype: str, make_supernet: Callable[..., Supernet]
) -> None:
    supernet = make_supernet(dtype=dtype)
    again = assemble(skeleton_of(supernet), arrays_of(supernet))
    pairs = zip(again.model.parameters(), supernet.model.parameters(), strict=True)
    assert all(one.dtype == other.dtype and torch.equal(one, other) for one, other in pairs)
    assert sum(array.nbytes for array in arrays_of(supernet).values()) == sum(
        parameter.nbytes for parameter in supernet.model.parameters()
    )


def test_a_loaded_supernet_is_shared_by_its_file(supernet: Supernet, tmp_path: Path) -> None:
    loaded = Supernet.load(supernet.save(tmp_path / "supernet"))
    shared = shared_weights(loaded)
    assert all(isinstance(source, FileRegion) for source in shared.values())
    again = assemble(skeleton_of(loaded), mapped(shared))
    assert again.sha256 == supernet.sha256


def test_a_supernet_without_a_file_is_shared_by_its_memory(supernet: Supernet) -> None:
    shared = shared_weights(supernet, torch.float32)
    for name, parameter in supernet.model.named_parameters():
        assert np.shares_memory(shared[name], parameter.detach().numpy())


@pytest.mark.parametrize("is_loaded", [False, True])
def test_another_precision_is_converted_once_for_all_workers(
    is_loaded: bool, supernet: Supernet, tmp_path: Path
) -> None:
    source = Supernet.load(supernet.save(tmp_path / "supernet")) if is_loaded else supernet
    arrays = read_only(dict(shared_weights(source, torch.bfloat16)))
    again = assemble(skeleton_of(source), arrays, dtype=torch.bfloat16)
    for name, parameter in again.model.named_parameters():
        assert np.shares_memory(parameter.detach().view(torch.uint16).numpy(), arrays[name])
        assert torch.equal(parameter, supernet.model.get_parameter(name).bfloat16())
