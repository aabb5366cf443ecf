from __future__ import annotations

import json
import shutil

import pytest

from nas.jobs import open_study

pytestmark = pytest.mark.usefixtures("in_finished")


@pytest.fixture(scope="module")
def exported_once(finished, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported") / "out"
    artifacts, url = finished / "artifacts", f"sqlite:///{finished / 'nas.db'}"
    with open_study("tiny", url=url, artifacts=artifacts, with_supernet=True) as study:
        study.export(study.best(), folder)
    return folder


@pytest.fixture
def exported(exported_once, tmp_path):
    return shutil.copytree(exported_once, tmp_path / "out")


@pytest.mark.slow
def test_an_exported_folder_can_be_verified(command, exported):
    outcome = command("verify", exported)
    assert outcome.code == 0
    assert outcome.out.startswith(f"ok: {exported}\n")
    assert json.loads((exported / "nas.json").read_text())


@pytest.mark.slow
def test_a_changed_folder_exits_with_6(command, exported):
    (exported / "config.json").write_text("{}")
    outcome = command("verify", exported)
    assert (outcome.code, outcome.out) == (6, "")
    assert "config.json" in outcome.err


@pytest.mark.slow
def test_an_export_is_replaced_only_when_told(command, exported):
    name = command("select", "tiny", "-q").out.strip()
    refused = command("export", name, "-o", exported)
    assert refused.code == 2
    assert "exists already" in refused.err
    assert command("export", name, "-o", exported, "--overwrite", "-q").out == f"{exported}\n"


@pytest.mark.slow
def test_budgets_choose_the_trial_to_export(command, tmp_path):
    where = ("--where", "num_parameters <= 0.5 * baseline")
    number = command("select", "tiny", *where, "--json").json["number"]
    outcome = command("export", "tiny", *where, "-o", tmp_path / "out")
    assert outcome.code == 0, outcome.err
    assert f"exporting trial {number}: " in outcome.err
    assert f'"trial": {number}' in (tmp_path / "out" / "nas.json").read_text()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("tiny",), 2, "which trial of tiny?"),
        (("tiny@3", "--where", "score >= 0"), 2, "names a trial"),
        (("tiny@999",), 2, "has no trial 999"),
        (("tinny@1",), 2, "stored studies: tiny"),
        (("tiny", "--where", "num_parameters <= 10"), 3, "the nearest is"),
        (("tiny@1", "--artifacts", "elsewhere"), 2, "elsewhere"),
    ],
)
def test_what_cannot_be_exported_is_refused_and_nothing_is_written(
    command, tmp_path, arguments, code, message
):
    outcome = command("export", *arguments, "-o", tmp_path / "out")
    assert outcome.code == code
    assert message in outcome.err
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_not_there_exits_with_2(command, tmp_path):
    assert command("verify", tmp_path / "missing").code == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--format", "hf,tflite"), "unknown export format 'tflite'"),
        (("--max-shard-size", "big"), "write a number with KB, MB or GB"),
        (("--private",), "--private is for an upload"),
        (("--push-to-hub", "small"), "write OWNER/NAME"),
        (("--push-to-hub", "someone/small"), "HF_HUB_OFFLINE is set"),
    ],
)
def test_options_that_cannot_be_met_are_refused_before_anything_is_written(
    command, tmp_path, monkeypatch, arguments, message
):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    outcome = command("export", "tiny@0", "-o", tmp_path / "out", *arguments)
    assert outcome.code == 2
    assert message in outcome.err
    assert not (tmp_path / "out").exists()
