from __future__ import annotations

import ast
import shlex

import pytest
import yaml

import nas
from nas.report.document import Code
from storage import Ledger

AWKWARD = 'it\'s $HOME; rm -rf `x` "quoted"'


def code(section_of, document):
    return [block for block in section_of(document, "commands").blocks if isinstance(block, Code)]


def lines_of(section_of, document):
    blocks = code(section_of, document)
    return [line for block in blocks for line in block.text.splitlines() if line.startswith("nas ")]


def test_an_awkward_name_is_one_word_of_a_shell(write, section_of):
    study = write(AWKWARD)
    study.full()
    words = [shlex.split(line)[-1] for line in lines_of(section_of, study.document)]
    assert words == [AWKWARD, AWKWARD, f"{AWKWARD}@0", AWKWARD, AWKWARD]


def test_a_name_like_an_option_stands_behind_two_hyphens(write, section_of):
    document = write("--help").document
    assert all(shlex.split(line)[-2:] == ["--", "--help"] for line in lines_of(section_of, document))


def test_python_lines_hold_the_name_as_a_literal(write, section_of):
    document = write(AWKWARD).document
    for block in code(section_of, document):
        if block.text.startswith("import nas"):
            literals = [
                node.value for node in ast.walk(ast.parse(block.text)) if isinstance(node, ast.Constant)
            ]
            assert AWKWARD in literals


def test_a_study_made_in_python_is_repeated_by_its_settings(write, section_of):
    study = write(sampler="random", seed=7, constraints=["num_parameters <= 0.9 * baseline"])
    study.full()
    call = next(
        node
        for node in ast.walk(ast.parse(code(section_of, study.document)[0].text))
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "create_study"
    )
    options = {keyword.arg: keyword.value for keyword in call.keywords}
    assert ast.literal_eval(options["seed"]) == 7
    assert ast.unparse(options["racing"].func) == "nas.Racing.from_json"
    assert ast.literal_eval(options["sampler"]) == "random"
    assert ast.literal_eval(options["constraints"]) == ["num_parameters <= 0.9 * baseline"]


def test_a_stored_config_is_shown_whole(write, section_of):
    study = write()
    config = {
        "version": 1,
        "name": "tiny",
        "objectives": ["max accuracy"],
        "storage": {"url": "x://u:***@h/d"},
    }
    study.study.store_config(config)
    shown = next(block for block in code(section_of, study.document) if block.is_folded)
    assert yaml.safe_load(shown.text) == config
    assert "nas search run nas.yaml" in lines_of(section_of, study.document)


@pytest.mark.parametrize("kind", ["medium", "uniform", "layer"])
def test_the_python_lines_make_an_equal_study(write, section_of, kind, supernet, monkeypatch, tmp_path):
    study = write(space=supernet.space(kind), seed=3, constraints=["macs <= 0.9 * baseline"])
    source = code(section_of, study.document)[0].text
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(nas.Supernet, "load", lambda _: supernet)
    ran = {}
    evaluator = object()
    monkeypatch.setattr(nas.Study, "optimize", lambda _, given, n_trials: ran.update(given=given, n=n_trials))
    scope = {"evaluator": evaluator}
    exec(source.replace("'tiny',", "'again', storage='sqlite:///again.db',"), scope)
    scope["study"].close()
    with Ledger.open("sqlite:///again.db") as ledger:
        assert ledger.study("again").fingerprint == study.ledger.study("tiny").fingerprint
    assert ran == {"given": evaluator, "n": 1}
