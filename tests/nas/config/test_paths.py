"""Where relative paths of a config file start."""

from __future__ import annotations

import pytest

from nas.config import load_config

CONFIG = """\
version: 1
name: rte
model: {id: bert, task: sequence-classification}
supernet: {checkpoint: supernet}
data: {train: parts/train.csv, validation: /data/validation.csv, test: docstrings}
objectives: [max accuracy]
"""


@pytest.fixture
def config_file(tmp_path):
    folder = tmp_path / "configs"
    folder.mkdir()
    (folder / "c.yaml").write_text(CONFIG)
    return folder / "c.yaml"


def test_relative_data_starts_at_the_files_folder(config_file):
    config = load_config(config_file, environ={})
    assert config.data.train == str(config_file.parent / "parts/train.csv")
    assert config.supernet.checkpoint == str(config_file.parent / "supernet")


def test_absolute_paths_and_the_bundled_data_stay(config_file):
    config = load_config(config_file, environ={})
    assert (config.data.validation, config.data.test) == ("/data/validation.csv", "docstrings")


def test_a_model_is_a_hub_id_where_no_such_folder_lies_beside_the_file(config_file):
    assert load_config(config_file, environ={}).model.id == "bert"


def test_a_model_folder_beside_the_file_is_found(config_file):
    (config_file.parent / "bert").mkdir()
    assert load_config(config_file, environ={}).model.id == str(config_file.parent / "bert")


def test_paths_of_overrides_and_variables_start_at_the_working_directory(config_file):
    config = load_config(
        config_file, overrides=["data.train=here.csv"], environ={"NAS__DATA__VALIDATION": "there.csv"}
    )
    assert (config.data.train, config.data.validation) == ("here.csv", "there.csv")


def test_a_file_of_the_working_directory_keeps_its_paths_short(config_file, monkeypatch):
    monkeypatch.chdir(config_file.parent)
    assert load_config("c.yaml", environ={}).data.train == "parts/train.csv"


def test_a_model_id_that_no_folder_can_have_is_left_to_the_checks(config_file):
    config_file.write_text(CONFIG.replace("id: bert", "id: " + "x" * 900))
    assert load_config(config_file, environ={}).model.id == "x" * 900
