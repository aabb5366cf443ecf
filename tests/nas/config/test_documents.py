from __future__ import annotations

import contextlib
import json
import time

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from nas.config import load_toml, load_yaml
from nas.config.documents import MAX_BYTES, MAX_DEPTH, MAX_NODES, read_document
from nas.errors import ConfigError

# No bomb of 256 KiB may cost more; the slowest takes 0.3 s on an idle core.
_MAX_SECONDS = 5.0

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_SCALARS = st.none() | st.booleans() | st.integers(-(10**17), 10**17) | _TEXT
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
    max_leaves=20,
)

YAML_BOMBS = {
    "deep lists": "[" * 200_000,
    "deep mappings": "{a: " * 60_000,
    "deep dashes": "- " * 100_000,
    "deep keys": "? " * 100_000,
    "deep indents": "".join(" " * depth + "a:\n" for depth in range(600)),
    "many values": "- a\n" * 60_000,
    "many keys": "".join(f"k{index}: 1\n" for index in range(20_000)),
    "aliases": "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n",
    "too large": "#" * (MAX_BYTES + 1),
    "many digits": "a: " + "9" * 100_000,
    "version digits": "%YAML 1." + "9" * 6000 + "\n---\na",
}
TOML_BOMBS = {
    "deep lists": "a=" + "[" * 200_000,
    "dotted key": "a." * 100_000 + "a=1",
    "quoted dotted key": '"a".' * 60_000 + "a=1",
    "many keys": "".join(f"k{index}=1\n" for index in range(20_000)),
    "many tables": "[[a]]\n" * 40_000,
    "many digits": "a=" + "9" * 5000,
    "too large": "#" * (MAX_BYTES + 1),
}


@pytest.mark.parametrize("text", YAML_BOMBS.values(), ids=YAML_BOMBS)
def test_yaml_bombs_are_refused_quickly(text):
    start = time.perf_counter()
    with pytest.raises(ConfigError):
        load_yaml(text)
    assert time.perf_counter() - start < _MAX_SECONDS


@pytest.mark.parametrize("text", TOML_BOMBS.values(), ids=TOML_BOMBS)
def test_toml_bombs_are_refused_quickly(text):
    start = time.perf_counter()
    with pytest.raises(ConfigError):
        load_toml(text)
    assert time.perf_counter() - start < _MAX_SECONDS


@given(st.text(st.sampled_from("ab01-+.:,#&*!|>'\"%@`?[]{}<=\\~ \n\tu"), max_size=60) | st.text(max_size=60))
def test_any_text_is_read_or_refused_as_a_config_error(text):
    for load in (load_yaml, load_toml):
        with contextlib.suppress(ConfigError):
            load(text)


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused_as_a_config_error(data):
    for load in (load_yaml, load_toml):
        with contextlib.suppress(ConfigError):
            load(data)


@given(_VALUES)
def test_json_is_read_as_the_yaml_that_it_is(value):
    assert load_yaml(json.dumps(value)) == value


@given(
    st.dictionaries(st.from_regex("[a-z]{1,6}", fullmatch=True), st.integers(-(10**17), 10**17), max_size=5)
)
def test_block_style_is_read_like_flow_style(value):
    assert load_yaml(yaml.safe_dump(value)) == value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1e-5", 1e-5),
        ("2.0e-5", 2e-5),
        (".5", 0.5),
        ("007", 7),
        ("-3", -3),
        ("true", True),
        ("~", None),
        ("", None),
        ("no", "no"),
        ("on", "on"),
        ("1:30", "1:30"),
        ("2020-01-01", "2020-01-01"),
        ("1_000", "1_000"),
        ("4h", "4h"),
        ("'1'", "1"),
        ("sqlite:///nas.db", "sqlite:///nas.db"),
    ],
)
def test_scalars_follow_yaml_1_2(text, expected):
    value = load_yaml(text)
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("a: 1\nb: 2\na: 3", "line 3: the key 'a' is given twice"),
        ("a: {b: 1, 'b': 2}", "'b' is given twice"),
        ("a: &x 1", "anchors"),
        ("a: *x", "anchors"),
        ("a: !!python/object/apply:os.system ['true']", "tag"),
        ("a: !!binary aGk=", "tag"),
        ("a: .nan", "not a finite number"),
        ("a: -.inf", "not a finite number"),
        ("a: 1.0e+400", "not a finite number"),
        ("1: a", "keys are text"),
        ("[a]: b", "keys are text"),
        ("a\n---\nb", "not valid YAML"),
        ("a: [1", "line 1: not valid YAML"),
        ("a: b: c", "line 1: not valid YAML"),
        ('"\\UFFFFFFFF"', "escape"),
        ('"\\ud800"', "lone surrogate"),
        ("\x00", "not valid YAML"),
    ],
)
def test_yaml_that_is_refused_says_why(text, part):
    with pytest.raises(ConfigError, match=part):
        load_yaml(text)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("a = 1\na = 2", "not valid TOML"),
        ("a = nan", "not a finite number"),
        ("a = 2020-01-01", "dates"),
        ("a = 1" + "0" * 18, "more than 18 digits"),
    ],
)
def test_toml_that_is_refused_says_why(text, part):
    with pytest.raises(ConfigError, match=part):
        load_toml(text)


def test_text_that_is_not_utf8_is_refused():
    with pytest.raises(ConfigError, match="UTF-8"):
        load_yaml(b"a: \xff")


@pytest.mark.parametrize("load", [load_yaml, load_toml])
def test_the_deepest_allowed_nesting_is_read(load):
    opening = "" if load is load_yaml else "a = "
    depth = MAX_DEPTH - (load is load_toml)
    load(opening + "[" * depth + "]" * depth)
    with pytest.raises(ConfigError, match="deeper"):
        load(opening + "[" * (depth + 1) + "]" * (depth + 1))


def test_the_most_allowed_values_are_read():
    items = MAX_NODES - 1
    assert len(load_yaml("[" + "a," * items + "]")) == items
    with pytest.raises(ConfigError, match="more than 10000"):
        load_yaml("[" + "a," * (items + 1) + "]")


@pytest.mark.parametrize("content", ["", "- a", "text"])
def test_a_file_that_is_no_mapping_is_refused_with_its_path(tmp_path, content):
    path = tmp_path / "c.yaml"
    path.write_text(content)
    with pytest.raises(ConfigError, match=r"c\.yaml: got .*; the file must hold"):
        read_document(path)


@pytest.mark.parametrize("name", ["missing.yaml", "."])
def test_a_file_that_cannot_be_read_is_a_config_error(tmp_path, name):
    with pytest.raises(ConfigError, match="config file"):
        read_document(tmp_path / name)


def test_the_suffix_chooses_toml(tmp_path):
    path = tmp_path / "c.TOML"
    path.write_text("[search]\ntrials = 5\n")
    assert read_document(path) == {"search": {"trials": 5}}


def test_a_byte_order_mark_is_skipped(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_bytes(b"\xef\xbb\xbfname: x\n")
    assert read_document(path) == {"name": "x"}
