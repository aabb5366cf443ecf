"""The modelling file of every family, on the tiny random models that the families are tested on."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import numpy as np
import pytest
import torch
import transformers
import yaml
from transformers import AutoConfig, GenerationMixin

from nas.export.custom_config import custom_config, full_config
from nas.export.modelling import modelling_source
from nas.export.samples import Size, prompt_of, sample_inputs
from nas.families import Family, family_of
from nas.supernet.extraction import extract
from nas.tasks import TASKS
from search_spaces import LayerUnits, ModelShape, SubnetConfig

CASES: Final[dict[str, dict[str, Any]]] = {
    name: {**table["defaults"], **case}
    for path in sorted((Path(__file__).parents[1] / "families" / "cases").glob("*.yaml"))
    for table in [yaml.safe_load(path.read_text(encoding="utf-8"))]
    for name, case in table["cases"].items()
    if not case.get("has_no_task")
}
#: Both models run the same kernels on the same numbers.
EXACT: Final = 1e-6

pytestmark = pytest.mark.parametrize("name", CASES)


@functools.cache
def make_model(name: str) -> Any:
    case = CASES[name]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = AutoConfig.for_model(case["model_type"], **case["config"])
        model = getattr(transformers, case["class"]).from_config(config)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight_name, weight in model.named_parameters():
            centre = 1.0 if weight.ndim == 1 and "norm" in weight_name.lower() else 0.0
            weight.normal_(centre, 0.3, generator=generator)
    return model.eval()


@functools.cache
def described(name: str) -> tuple[Any, ModelShape, Family]:
    model = make_model(name)
    family = family_of(model.config.model_type)
    return model, family.describe(model), family


def task_of_case(name: str) -> str:
    tasks = {task.auto_class: task.name for task in reversed(TASKS.values())}
    return tasks.get(CASES[name]["class"], "seq2seq-lm")


def unequal_subnet(shape: ModelShape) -> SubnetConfig:
    """Other sizes in each block, a block dropped, an attention and a feed-forward sub-layer removed."""
    generator = np.random.default_rng(0)

    def some(full: int) -> int:
        return int(generator.integers(1, full + 1))

    layers: list[LayerUnits | None] = []
    for index, full in enumerate(shape.layers):
        stack = next(stack for stack in shape.stacks if index in stack)
        heads, queries = some(full.num_key_value_heads), some(full.queries_per_head)
        if shape.has_shared_heads and layers and layers[0] is not None:
            heads, queries = layers[0].heads, layers[0].queries
        units = LayerUnits(heads=heads, queries=queries, ffn=some(full.intermediate_size))
        is_last = index == stack[-1]
        if index == stack[1] and len(stack) > 2:
            layers.append(None)
        elif index == stack.start and not shape.has_shared_heads:
            layers.append(LayerUnits(heads=0, queries=0, ffn=units.ffn))
        elif is_last:
            layers.append(LayerUnits(heads=units.heads, queries=units.queries, ffn=0))
        else:
            layers.append(units)
    return SubnetConfig(hidden=shape.hidden_size - 3, layers=tuple(layers)).canonical(shape)


@pytest.fixture
def rebuilt(name: str) -> Iterator[tuple[Any, Any]]:
    """What extraction makes, and what the modelling file makes of its config and weights."""
    model, shape, family = described(name)
    config = unequal_subnet(shape)
    small = extract(model, shape, family, config)
    module = ModuleType(f"modeling_subnet_{shape.model_type}")
    sys.modules[module.__name__] = module
    exec(modelling_source(model, shape, family), module.__dict__)
    record = json.loads(json.dumps(custom_config(model, shape, family, config, task_of_case(name))))
    own_config = getattr(module, f"Subnet{type(model.config).__name__}").from_dict(record)
    own = getattr(module, record["architectures"][0])(own_config)
    own.load_state_dict(small.state_dict(), strict=True)
    yield small, own.eval()
    del sys.modules[module.__name__]


def test_the_modelling_file_computes_what_extraction_does(rebuilt: tuple[Any, Any]) -> None:
    small, own = rebuilt
    inputs = sample_inputs(small, Size(batch=2, length=6))
    with torch.inference_mode():
        expected, found = small(**inputs)[0], own(**inputs)[0]
    torch.testing.assert_close(found, expected, rtol=0, atol=EXACT * float(expected.abs().max()))


def test_every_weight_has_the_size_that_extraction_gives_it(rebuilt: tuple[Any, Any]) -> None:
    small, own = rebuilt
    sizes = [{n: tuple(p.shape) for n, p in model.named_parameters()} for model in (small, own)]
    assert sizes[0] == sizes[1]


def test_a_cache_does_not_change_what_is_generated(rebuilt: tuple[Any, Any]) -> None:
    small, own = rebuilt
    if not own.can_generate():
        pytest.skip("it does not generate")
    prompt = prompt_of(sample_inputs(small, Size(batch=2, length=4), is_padded=False))
    options = {"max_new_tokens": 5, "min_new_tokens": 5, "do_sample": False}
    expected = GenerationMixin.generate(small, **prompt, **options, use_cache=False)
    for use_cache in (True, False):
        assert GenerationMixin.generate(own, **prompt, **options, use_cache=use_cache).equal(expected)


def test_the_modelling_file_can_be_written_again_from_config_json(name: str) -> None:
    model, shape, family = described(name)
    record = custom_config(model, shape, family, unequal_subnet(shape), task_of_case(name))
    cls, config = full_config(json.loads(json.dumps(record)))
    with torch.device("meta"):
        full = cls(config)
    again = modelling_source(full, family.describe(full), family)
    assert again == modelling_source(model, shape, family)
