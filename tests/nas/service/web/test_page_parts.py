"""Budgets, commands, layers and assets of the page."""

from __future__ import annotations

import re
import shlex

import pytest

from nas.service.problems import ProblemError
from nas.service.web import login_page
from nas.service.web.assets import assets
from nas.service.web.budgets import budget, where_texts
from nas.service.web.commands import export_commands, selection_commands
from nas.service.web.environment import environment, segment
from nas.service.web.layers import layer_costs
from search_spaces import LayerShape, LayerUnits, ModelShape, SubnetConfig, Workload
from search_spaces.shape import Segment, TensorLayout

SERVER = "http://127.0.0.1:8000"


def test_a_budget_becomes_a_constraint_of_the_common_grammar() -> None:
    found = budget("latency_ms", "max", (1.0, 20.0), {"max.latency_ms": " 6.5 "})
    assert where_texts([found], ["accuracy >= 0.8"]) == ["latency_ms <= 6.5", "accuracy >= 0.8"]


def test_an_empty_budget_is_none() -> None:
    assert where_texts([budget("latency_ms", "max", (1.0, 20.0), {"max.latency_ms": ""})], [" "]) == []


@pytest.mark.parametrize("text", ["six", "nan", "inf", "1e999"])
def test_a_budget_that_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(ProblemError, match=r"max\.latency_ms"):
        budget("latency_ms", "max", (1.0, 20.0), {"max.latency_ms": text})


def test_the_ends_of_a_slider_hold_all_values() -> None:
    found = budget("num_parameters", "max", (1234567.0, 7654321.0), {})
    assert found.low <= 1234567 < 7654321 <= found.high
    assert found.free == found.high


def test_commands_survive_a_shell_whatever_the_name() -> None:
    name = "a'b; rm -rf $HOME"
    assert shlex.split(selection_commands(name, ["x <= 1"], SERVER).shell)[-2:] == ["x <= 1", name]
    assert shlex.split(export_commands(name, 3, SERVER).shell)[-1] == f"{name}@3"


def test_python_lines_compile_whatever_the_name() -> None:
    name = "a'b\"\n"
    compile(selection_commands(name, ["x <= 1"], SERVER).python, "page", "exec")
    compile(export_commands(name, 3, SERVER).python, "page", "exec")


def test_templates_escape_whatever_their_name_is() -> None:
    made = environment().from_string("<p title='{{ text }}'>{{ text }}</p>")
    assert made.render(text="<b>'\"") == "<p title='&lt;b&gt;&#39;&#34;'>&lt;b&gt;&#39;&#34;</p>"


def test_a_name_is_one_part_of_an_address() -> None:
    assert segment("../a b:c?#'\"") == "..%2Fa%20b%3Ac%3F%23%27%22"


def test_the_login_page_is_the_same_for_everybody_and_loads_assets_only() -> None:
    assert login_page() == login_page()
    sources = re.findall(r'(?:src|href)="([^"]+)"', login_page())
    assert sources
    assert all(source.startswith("/assets/") for source in sources)


def test_no_template_holds_a_script_a_style_or_a_handler() -> None:
    for name in environment().list_templates():
        source = environment().loader.get_source(environment(), name)[0]
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:|\|\s*safe", source), name
        assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", source)), name


def test_the_library_is_the_one_that_its_notice_names() -> None:
    from hashlib import sha256
    from importlib.resources import files

    notice = files("nas.service.web").joinpath("assets/vendor/NOTICE").read_text(encoding="utf-8")
    assert f"SHA-256 {sha256(assets()['htmx.min.js'].content).hexdigest()}" in notice


def test_layers_cost_together_what_lies_within_the_blocks() -> None:
    layer = LayerShape(num_key_value_heads=2, queries_per_head=1, head_dim=4, intermediate_size=6)
    hidden, ffn = Segment(axis="hidden", size=1), Segment(axis="ffn", size=1)
    tensors = tuple(
        TensorLayout(name=f"{index}.up", dims=((ffn,), (hidden,)), layer=index, part="ffn")
        for index in range(2)
    )
    shape = ModelShape(model_type="bert", hidden_size=8, layers=(layer, layer), tensors=tensors)
    config = SubnetConfig(hidden=8, layers=(LayerUnits(heads=2, ffn=3), None))
    kept, removed = layer_costs(shape, config, Workload())
    assert (kept.num_parameters, kept.num_parameters_full) == (24, 48)
    assert removed.num_parameters == 0
    assert removed.is_removed
