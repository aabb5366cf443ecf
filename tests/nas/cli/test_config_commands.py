from __future__ import annotations

from pathlib import Path

import pytest

from nas.config import load_config


@pytest.fixture(autouse=True)
def in_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", ["full", "quick"])
def test_init_writes_a_config_that_is_valid(command, name):
    outcome = command("init", "--template", name)
    assert (outcome.code, outcome.out) == (0, "nas.yaml\n")
    assert command("config", "check", "nas.yaml").code == 0


def test_init_refuses_to_overwrite(command):
    Path("mine.yaml").write_text("precious")
    outcome = command("init", "-o", "mine.yaml")
    assert outcome.code == 2
    assert "mine.yaml exists" in outcome.err
    assert Path("mine.yaml").read_text() == "precious"


def test_init_overwrites_when_forced(command):
    Path("nas.yaml").write_text("old")
    assert command("init", "--force").code == 0
    assert load_config("nas.yaml", environ={}).name == "my-search"


def test_check_says_ok_and_what_the_config_means(command):
    command("init")
    outcome = command("config", "check", "nas.yaml", "--set", "search.trials=7")
    assert outcome.out.startswith("ok: nas.yaml\nstudy")
    assert "search       evolution, 7 trials, seed 0, at most 14400 s" in outcome.out.splitlines()


def test_check_warns_of_files_that_are_not_there(command):
    command("init")
    outcome = command("config", "check", "nas.yaml")
    assert "warning: data.train: train.csv does not exist" in outcome.err
    Path("train.csv").write_text("text,label\n")
    assert "data.train" not in command("config", "check", "nas.yaml").err


def test_check_as_json_gives_the_resolved_config_without_its_password(command):
    command("init")
    secret = "storage.url=postgresql://me:secret@host/db"
    resolved = command("config", "check", "nas.yaml", "--json", "--set", secret).json
    assert resolved["storage"]["url"] == "postgresql://me:***@host/db"
    assert resolved["search"]["trials"] == 200


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("search.trails=3", "did you mean search.trials?"),
        ("objectives=[max acuracy]", "did you mean accuracy?"),
        ("constraints=['latency_ms <= 8 MB']", "got unit 'MB'"),
        ("evaluation.metrics=[f2]", "unknown metric 'f2'"),
        ("target=null", "latency_ms needs a target, but target is null"),
        ("objectives=[max accuracy, max tokens_per_second]", "decode_length of target local is 0"),
        ("target.backend=tensorrt", "torch_compile"),
        ("target={backend: openvino, device: cuda}", "openvino is timed on the cpu only, not on cuda"),
    ],
)
def test_check_refuses_what_a_search_would_refuse(command, override, message):
    command("init")
    outcome = command("config", "check", "nas.yaml", "--set", override)
    assert (outcome.code, outcome.out) == (2, "")
    assert message in outcome.err


def test_check_quietly_prints_the_name_only(command):
    command("init")
    assert command("config", "check", "nas.yaml", "-q").out == "my-search\n"


def test_schema_is_printed(command):
    schema = command("config", "schema").json
    assert "search" in schema["properties"]


def test_check_refuses_a_bound_that_does_not_hold_for_the_metric(command):
    command("init")
    outcome = command(
        "config",
        "check",
        "nas.yaml",
        "--set",
        "search.racing.bound=anytime",
        "--set",
        "objectives=[min loss]",
    )
    assert outcome.code == 2
    assert "bound anytime needs metrics that score each example from 0 to 1" in outcome.err


def test_check_refuses_stages_that_do_not_rise(command):
    command("init")
    outcome = command("config", "check", "nas.yaml", "--set", "search.racing.stages=[64, 32]")
    assert outcome.code == 2
    assert "rising order" in outcome.err
