from __future__ import annotations

import copy
import json

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from nas.config import apply_overrides, json_schema, load_config, load_yaml, parse_config, template
from nas.errors import ConfigError
from nas.objectives import parse_constraints, parse_objectives

SMALLEST = {
    "version": 1,
    "name": "rte",
    "model": {"id": "bert", "task": "sequence-classification"},
    "data": {"validation": "docstrings"},
    "objectives": ["max accuracy"],
}


@pytest.fixture
def config_file(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(template(), encoding="utf-8")
    return path


def changed(path: str, value: object) -> dict:
    document = copy.deepcopy(SMALLEST)
    *parents, last = path.split(".")
    here = document
    for part in parents:
        here = here.setdefault(part, {})
    here[last] = value
    return document


def refusal(path: str, value: object) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_config(changed(path, value))
    return str(caught.value)


def test_the_template_loads(config_file):
    assert load_config(config_file, environ={}).search.timeout_s == 4 * 3600


def test_the_quick_template_loads(tmp_path):
    path = tmp_path / "quick.yaml"
    path.write_text(template("quick"), encoding="utf-8")
    config = load_config(path, environ={})
    assert (config.name, config.data.train, config.supernet.finetune.passes) == ("quick", "docstrings", 200)


def test_the_template_mentions_every_key(config_file):
    def keys(value):
        if isinstance(value, dict):
            yield from value
            for item in value.values():
                yield from keys(item)

    resolved = load_config(config_file, environ={}).resolved()
    assert [key for key in keys(resolved) if f"{key}:" not in template()] == []


def test_the_templates_objectives_and_constraints_parse(config_file):
    config = load_config(config_file, environ={})
    assert len(parse_objectives(config.objectives)) == 2
    assert len(parse_constraints(config.constraints)) == 1


def test_toml_and_yaml_give_the_same_config(tmp_path):
    (tmp_path / "c.toml").write_text(
        'version = 1\nname = "rte"\nobjectives = ["max accuracy"]\n'
        '[model]\nid = "bert"\ntask = "sequence-classification"\n[data]\nvalidation = "docstrings"\n'
    )
    assert load_config(tmp_path / "c.toml", environ={}) == parse_config(SMALLEST)


def test_a_resolved_config_gives_itself(config_file):
    config = load_config(config_file, environ={})
    assert parse_config(json.loads(json.dumps(config.resolved()))) == config


def test_a_resolved_config_holds_no_password():
    config = parse_config(changed("storage", {"url": "postgresql://me:p@ss:w@host/db?password=again"}))
    assert config.resolved()["storage"]["url"] == "postgresql://me:***@host/db?password=***"
    assert "p@ss:w" in config.storage.url


def test_a_refused_url_is_shown_without_its_password():
    assert "secret" not in refusal("storage.url", "mysql://me:secret@host/db")


def test_overrides_beat_the_environment_which_beats_the_file(config_file):
    environ = {"NAS__SEARCH__TRIALS": "7", "NAS__SEARCH__SEED": "3", "HOME": "/", "NAS_TOKEN": "x"}
    config = load_config(config_file, overrides=["search.trials=9"], environ=environ)
    assert (config.search.trials, config.search.seed, config.search.parallel) == (9, 3, 4)


def test_the_process_environment_is_the_default(config_file, monkeypatch):
    monkeypatch.setenv("NAS__NAME", "from-environment")
    assert load_config(config_file).name == "from-environment"


def test_an_override_can_be_a_list_or_mapping(config_file):
    config = load_config(
        config_file,
        overrides=["objectives=[min macs]", "space.hidden_size={min: 8, max: 64, step: 8}"],
        environ={},
    )
    assert config.objectives == ("min macs",)
    assert config.space.choices() == {"hidden_size": {"min": 8, "max": 64, "step": 8}}


def test_an_override_goes_into_a_section_that_is_null():
    assert apply_overrides({"a": None}, ["a.b=1"]) == {"a": {"b": 1}}


def test_overrides_leave_the_document_as_it_is():
    document = {"a": {"b": 1}}
    apply_overrides(document, ["a.b=2"])
    assert document == {"a": {"b": 1}}


@pytest.mark.parametrize(
    ("override", "part"),
    [
        ("search.trials", "write KEY.KEY=VALUE"),
        ("=5", "write KEY.KEY=VALUE"),
        ("a..b=5", "write KEY.KEY=VALUE"),
        ("a." * 20 + "b=5", "write KEY.KEY=VALUE"),
        ("a.b=[1", "override a.b: line 1: not valid YAML"),
        ("list.0=5", "write KEY.KEY=VALUE"),
        ("list.first=5", "list is a list; set it as a whole"),
    ],
)
def test_an_override_that_does_not_fit_says_how_to_write_it(override, part):
    with pytest.raises(ConfigError, match=part):
        apply_overrides({"list": [1]}, [override])


def test_a_wrong_environment_variable_is_named(config_file):
    with pytest.raises(ConfigError, match="environment variable NAS__: write NAS__SECTION__KEY"):
        load_config(config_file, environ={"NAS__": "1"})


def test_a_wrong_value_names_the_file(config_file):
    with pytest.raises(ConfigError, match=r"config file .*config\.yaml: search\.trials: got 0; give"):
        load_config(config_file, overrides=["search.trials=0"], environ={})


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("search.trails", "search.trails: unknown key; did you mean search.trials?"),
        ("objective", "objective: unknown key; did you mean objectives?"),
        ("trials", "trials: unknown key; did you mean search.trials?"),
        ("search.timeout_s", "search.timeout_s: unknown key; did you mean search.timeout?"),
        ("supernet.train.pases", "supernet.train.pases: unknown key; did you mean supernet.train.passes?"),
        ("space.hidden_size.stepp", "did you mean space.hidden_size.step?"),
        ("search.zzz", "search.zzz: unknown key; Known here: sampler, trials, timeout"),
        ("zzz.zzz", "zzz: unknown key; Known here: version, name"),
    ],
)
def test_an_unknown_key_names_the_nearest_known_one(path, hint):
    assert hint in refusal(path, 1)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("search.trials", "many", "search.trials: got 'many'; give a whole number"),
        ("search.trials", 2.0, "search.trials: got 2.0; give a whole number"),
        ("search.trials", True, "search.trials: got true; give a whole number"),
        ("search.timeout", "4x", "search.timeout: got '4x'; write a duration above 0"),
        ("search.deterministic", "yes", "search.deterministic: got 'yes'; give true or false"),
        (
            "search.sampler",
            "nsga",
            "search.sampler: got 'nsga'; give 'nsga2', 'nsga3', 'tpe', 'gp', 'random', 'local_search', "
            "'evolution', 'greedy' or 'grid'; did you mean nsga3?",
        ),
        ("search.enqueue", ["full", "x"], "search.enqueue.1: got 'x'; give 'full'"),
        ("search", None, "search: got null; give a mapping"),
        ("model.revision", 12, "model.revision: got 12; give text (put it in quotes)"),
        ("model.id", "", "model.id: got ''; give text of at least 1 character"),
        ("model.id", "a\nb", "give text without line breaks"),
        ("model", {"id": "x"}, "model.task is missing; give what the model's head is for"),
        ("name", "../etc", "name: got '../etc'; start with a letter or digit"),
        ("version", 2, "version: got 2; give 1"),
        ("space.hidden_size", 3, "space.hidden_size: got 3; give a list or a mapping"),
        ("space.hidden_size", [8, "x"], "space.hidden_size.1: got 'x'; give a whole number"),
        ("space.hidden_size", [8, 8], "a value is given twice"),
        ("space.hidden_size", [], "give at least 1 entry"),
        ("supernet.importance", {"heads": 3}, "supernet.importance.heads: got 3; give 'magnitude_l1'"),
        ("objectives", [], "objectives: got []; give at least 1 entry"),
        ("objectives", ["best"], "objectives.0: got 'best'; write (max|min) METRIC"),
        ("constraints", ["latency < 3"], "constraints.0: got 'latency < 3'; write METRIC (<=|>=)"),
        ("workers.gpus_per_worker", -1, "workers.gpus_per_worker: got -1; give a number of at least 0"),
        ("supernet.train", {}, "supernet.train is set but data.train is not"),
        ("supernet.finetune", {}, "supernet.finetune is set but data.train is not"),
        ("supernet.finetune", {"strategy": "random"}, "supernet.finetune.strategy: unknown key"),
        ("target", {"device": "tpu"}, "target.device: got 'tpu'; write cpu, cuda or cuda:N"),
        ("target", {"statistic": "p50"}, "target.statistic: unknown key"),
        ("evaluation.precision", "float16", "evaluation.precision: got 'float16'; give 'auto', 'float32' or"),
    ],
)
def test_a_wrong_value_names_path_value_and_what_is_allowed(path, value, message):
    assert message in refusal(path, value)


def test_all_problems_are_named_at_once():
    document = changed("search.trails", 1) | {"name": 3, "version": None}
    with pytest.raises(ConfigError) as caught:
        parse_config(document)
    assert [line.split(":")[0].strip() for line in str(caught.value).splitlines() if line] == [
        "version",
        "name",
        "search.trails",
    ]


def test_a_flood_of_problems_is_cut_short():
    document = SMALLEST | {f"key{index}": 1 for index in range(50)}
    with pytest.raises(ConfigError, match="and 40 more"):
        parse_config(document)


@pytest.mark.parametrize(
    "value", [float("nan"), object(), {1: 2}, b"x", 10**30, "\ud800", [[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]
)
def test_python_values_that_no_file_can_hold_are_refused(value):
    assert refusal("model.id", value)


def test_a_value_that_holds_itself_is_refused():
    loop: list = []
    loop.append(loop)
    assert "deeper" in refusal("model.id", loop)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(sorted(json_schema()["properties"])), _JSON)
def test_any_section_is_read_or_refused_as_a_config_error(section, value):
    try:
        config = parse_config(SMALLEST | {section: value})
    except ConfigError:
        return
    assert parse_config(config.resolved() | {"storage": config.storage.model_dump()}) == config


def test_a_config_cannot_be_changed():
    config = parse_config(SMALLEST)
    with pytest.raises(ValidationError, match="frozen"):
        config.search.trials = 5


@pytest.mark.parametrize("name", ["full", "quick"])
def test_a_template_fits_the_json_schema(name):
    jsonschema.validate(load_yaml(template(name)), json_schema())


@pytest.mark.parametrize(("key", "value"), [("objectives", []), ("colour", 1), ("search", {"trials": 0})])
def test_the_json_schema_refuses_what_the_loader_refuses(key, value):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(SMALLEST | {key: value}, json_schema())


def test_the_json_schema_describes_every_key():
    schema = json_schema()
    sections = [schema, *schema["$defs"].values()]
    assert [
        key
        for section in sections
        for key, value in section["properties"].items()
        if "description" not in value
    ] == []
