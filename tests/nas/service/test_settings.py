"""Settings of a service."""

from __future__ import annotations

from pathlib import Path

import pytest

from nas.errors import ConfigError
from nas.service.settings import load_settings


def test_defaults_serve_the_database_of_the_working_directory() -> None:
    settings = load_settings()
    assert settings.storage.url == "sqlite:///nas.db"
    assert settings.artifacts == Path("artifacts")
    assert settings.models == {}


def test_models_and_data_of_a_file_start_at_its_folder(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "train.csv").write_text("text,label\n")
    file = tmp_path / "service.yaml"
    file.write_text(
        "version: 1\nmodels: {mine: {path: model}}\ndata: {train: {path: train.csv}}\nhosts: [nas.example]\n"
    )
    settings = load_settings(file, storage={"url": "sqlite:///other.db"})
    assert settings.models["mine"].path == str(tmp_path / "model")
    assert settings.data["train"].path == str(tmp_path / "train.csv")
    assert settings.hosts == ("nas.example",)
    assert settings.storage.url == "sqlite:///other.db"


def test_what_is_given_replaces_single_keys_of_a_section(tmp_path: Path) -> None:
    file = tmp_path / "service.yaml"
    file.write_text("storage: {url: 'sqlite:///a.db', artifacts: kept}\n")
    settings = load_settings(file, storage={"url": "sqlite:///b.db"})
    assert (settings.storage.url, settings.storage.artifacts) == ("sqlite:///b.db", "kept")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("modles: {}", "modles"),
        ("models: {mine: {path: /nowhere/at/all}}", "there is no /nowhere/at/all"),
        ("models: {'../x': {path: .}}", r"\.\./x"),
        ("models: {mine: {path: ., sha256: abc}}", "sha256"),
        ("limits: {open_jobs: 0}", "open_jobs"),
        ("limits: {max_trials: many}", "max_trials"),
        ("version: 2", "version"),
    ],
)
def test_what_is_not_allowed_is_named(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "service.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_settings(file)
