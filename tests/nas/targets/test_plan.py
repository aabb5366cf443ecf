"""Plans: what a device needs to know, and what is refused of one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nas.errors import ConfigError
from nas.evaluation import Target, shape_key
from nas.supernet import Supernet
from nas.targets.history import find_plan
from nas.targets.plan import Plan, make_plan
from search_spaces import SubnetConfig
from storage import Ledger


def test_a_plan_has_each_shape_once_and_the_full_model(
    plan: Plan, supernet: Supernet, some: list[SubnetConfig]
) -> None:
    assert set(plan.shapes) == {shape_key(supernet.shape, config) for config in some}
    assert len(plan.shapes) == 3
    assert plan.full == shape_key(supernet.shape, SubnetConfig.full(supernet.shape))


def test_a_plan_survives_its_file(plan: Plan, plan_file: Path) -> None:
    read = Plan.read(plan_file)
    assert read == plan
    assert read.sha256 == plan.sha256


def test_a_plan_names_no_path_label_or_place(
    tiny_model: Callable[..., Any], target: Target, some: list[SubnetConfig]
) -> None:
    model = tiny_model("bert", hidden_size=32, num_attention_heads=4, intermediate_size=64)
    model.config._name_or_path = "/home/secret/bert"
    model.config.id2label = {0: "secret one", 1: "secret two", 2: "secret three"}
    supernet = Supernet.from_model(model)
    place = replace(target, labels={"host": "secret"}, device_id="5ec7e75ec7e75ec7")
    plan = make_plan(supernet.model.config, supernet.shape, task=supernet.task, target=place, subnets=some)
    text = json.dumps(plan.to_json())
    assert "secret" not in text
    assert "5ec7" not in text


def test_the_device_builds_the_shape_that_was_planned(plan: Plan, supernet: Supernet) -> None:
    skeleton = plan.skeleton()
    assert all(parameter.is_meta for parameter in skeleton.module.parameters())
    assert Supernet(skeleton.module, task=skeleton.task).shape == supernet.shape


def test_a_changed_plan_is_refused(plan_file: Path, tmp_path: Path) -> None:
    changed = tmp_path / "plan.json"
    changed.write_text(plan_file.read_text().replace('"sequence-classification"', '"regression"'))
    with pytest.raises(ConfigError, match="changed or damaged"):
        Plan.read(changed)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"format": "nas-latency-plan/9"}, "format"),
        ({"more": 1}, "unknown key 'more'"),
        ({"protocol": {"max_seconds": -1}}, "max_seconds"),
        ({"target": {"backend": "unheard-of"}}, "unheard-of"),
        ({"workload_sha256": "0" * 64}, "another hash"),
        ({"shapes": {"0" * 32: {"hidden": "x", "layers": []}}}, "cannot be read"),
    ],
)
def test_a_plan_of_another_form_is_refused(plan: Plan, change: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        Plan.from_json({**plan.to_json(), **change})


@pytest.mark.parametrize("key", ["auto_map", "_attn_implementation_internal"])
def test_a_plan_whose_model_asks_for_code_is_refused(plan: Plan, key: str) -> None:
    model = {**plan.model, "nested": [{key: "evil.Model"}]}
    with pytest.raises(ConfigError, match=key):
        Plan.from_json({**plan.to_json(), "model": model}).skeleton()


def test_a_plan_whose_model_has_another_shape_is_refused(plan: Plan) -> None:
    model = {**plan.model, "intermediate_size": 32}
    with pytest.raises(ConfigError, match="another shape"):
        Plan.from_json({**plan.to_json(), "model": model}).skeleton()


def test_a_shape_under_another_name_is_refused(plan: Plan) -> None:
    record = plan.to_json()
    one, two, *_ = record["shapes"]
    record["shapes"] |= {one: record["shapes"][two], two: record["shapes"][one]}
    with pytest.raises(ConfigError, match="by its sizes"):
        Plan.from_json(record).skeleton()


def test_a_supernet_that_is_not_its_config_cannot_be_planned(
    supernet: Supernet, some: list[SubnetConfig], target: Target
) -> None:
    config = type(supernet.model.config)(**{**supernet.model.config.to_dict(), "intermediate_size": 32})
    with pytest.raises(ConfigError, match="not what its config says"):
        make_plan(config, supernet.shape, task=supernet.task, target=target, subnets=some)


def test_a_stored_plan_is_found_whole(ledger: Ledger, plan: Plan) -> None:
    assert find_plan(ledger, plan.sha256) == plan
