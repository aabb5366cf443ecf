"""T5, T6, T9: a submitted search names what the server knows, and brings neither paths nor URLs nor code."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nas.errors import ConfigError
from nas.service.dispatcher import Dispatcher
from nas.service.model_sources import check_source, check_stored, weights_sha256
from nas.service.settings import ModelSource, ServiceSettings, load_settings
from nas.service.submission import public_document, search_config, yaml_document
from storage import JobState, Ledger

SECRET = "postgresql+psycopg://nas:hunter2@db.internal/nas"


@pytest.fixture
def model(tmp_path: Path, tiny_files: Path) -> Path:
    return Path(shutil.copytree(tiny_files / "model", tmp_path / "model"))


@pytest.fixture
def settings(tmp_path: Path, model: Path, tiny_files: Path) -> ServiceSettings:
    return load_settings(
        storage={"url": SECRET},
        models={"tiny": {"path": str(model), "sha256": weights_sha256(model)}},
        data={"films": {"path": str(tiny_files / "validation.csv")}},
        workers={"kind": "serial"},
        limits={"max_trials": 100},
        folder=str(tmp_path),
    )


def _document(**changes: Any) -> dict[str, Any]:
    return {
        "version": 1,
        "name": "mine",
        "model": {"id": "tiny", "task": "sequence-classification"},
        "data": {"validation": "films"},
        "objectives": ["max accuracy", "min num_parameters"],
        "search": {"trials": 10},
        **changes,
    }


def _submit(settings: ServiceSettings, *, is_admin: bool = False, **changes: Any) -> Any:
    return search_config(_document(**changes), settings=settings, account="alice", is_admin=is_admin)


def test_names_become_the_servers_own_paths_and_sections(
    settings: ServiceSettings, model: Path, tiny_files: Path
) -> None:
    config = _submit(settings)
    assert config.model.id == str(model)
    assert config.data.validation == str(tiny_files / "validation.csv")
    assert (config.storage.url, config.workers.kind) == (SECRET, "serial")


@pytest.mark.parametrize(
    ("given", "is_admin", "name"),
    [
        ("mine", False, "alice.mine"),
        ("alice.mine", False, "alice.mine"),
        ("bob.mine", False, "alice.bob.mine"),
        ("alice", False, "alice.alice"),
        ("mine", True, "mine"),
    ],
)
def test_a_study_is_named_after_its_account(
    given: str, is_admin: bool, name: str, settings: ServiceSettings
) -> None:
    assert _submit(settings, name=given, is_admin=is_admin).name == name


@pytest.mark.parametrize(
    "changes",
    [
        {"model": {"id": "/etc", "task": "causal-lm"}},
        {"model": {"id": "../model", "task": "causal-lm"}},
        {"model": {"id": "someone/evil-model", "task": "causal-lm"}},
        {"model": {"id": "https://evil.example/model", "task": "causal-lm"}},
        {"model": {"id": "tiny", "task": "causal-lm", "revision": "main"}},
        {"model": {"id": "tiny", "task": "causal-lm", "trust_remote_code": True}},
        {"model": {"id": "tiny", "task": "causal-lm", "weights_only": False}},
        {"model": {"id": ["tiny"], "task": "causal-lm"}},
        {"data": {"validation": "/etc/passwd"}},
        {"data": {"validation": "films", "train": "file:///etc/passwd"}},
        {"data": {"validation": "films", "test": "s3://bucket/rows.parquet"}},
        {"data": {"validation": "bundled"}},
        {"storage": {"url": "sqlite:////tmp/other.db"}},
        {"storage": {}},
        {"workers": {"kind": "ray", "address": "evil.example:6379"}},
        {"workers": None},
        {"supernet": {"checkpoint": "/tmp/supernet"}},
        {"supernet": {"train": {"ranks": 64}}, "data": {"validation": "films", "train": "films"}},
        {"folder": "/tmp"},
        {"evaluator": "my_module:score"},
        {"search": {"trials": 101}},
        {"name": "../../etc/cron.d/x"},
        {"name": "a\x00b"},
        {"name": "x" * 100},
        {"name": 5},
        {"model": None},
        {"data": "films"},
    ],
    ids=lambda changes: json.dumps(changes)[:60],
)
def test_what_only_the_server_may_say_is_refused(changes: dict[str, Any], settings: ServiceSettings) -> None:
    for is_admin in (False, True):
        if is_admin and changes.get("name") == "x" * 100:
            continue  # without the prefix it fits
        with pytest.raises(ConfigError) as caught:
            _submit(settings, is_admin=is_admin, **changes)
        assert "hunter2" not in str(caught.value)
        assert settings.folder not in str(caught.value)


def test_a_stored_config_is_shown_with_names_and_nothing_of_the_servers(settings: ServiceSettings) -> None:
    stored = {**_submit(settings).resolved(), "folder": settings.folder}
    shown = public_document(stored, settings)
    assert (shown["model"]["id"], shown["data"]["validation"]) == ("tiny", "films")
    assert not {"storage", "workers", "folder"} & set(shown)
    assert settings.folder not in json.dumps(shown)


def test_a_shown_config_can_be_submitted_again(settings: ServiceSettings) -> None:
    config = _submit(settings)
    shown = public_document(config.resolved(), settings)
    again = search_config(shown, settings=settings, account="alice", is_admin=False)
    assert again.resolved() == config.resolved()


def test_paths_that_no_setting_names_are_shown_by_their_last_part(settings: ServiceSettings) -> None:
    stored = {
        "model": {"id": "/home/me/secret-project/bert"},
        "data": {"validation": "/home/me/rows.csv", "train": None},
        "supernet": {"checkpoint": "/home/me/supernet"},
    }
    assert public_document(stored, settings) == {
        "model": {"id": "bert"},
        "data": {"validation": "rows.csv", "train": None},
        "supernet": {"checkpoint": "supernet"},
    }


def test_the_bundled_model_has_a_name(settings: ServiceSettings) -> None:
    config = _submit(settings, model={"id": "bundled", "task": "sequence-classification"})
    assert public_document(config.resolved(), settings)["model"]["id"] == "bundled"


# The allowed model


def test_a_model_whose_weights_changed_is_refused_by_its_name(settings: ServiceSettings, model: Path) -> None:
    data = bytearray((model / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (model / "model.safetensors").write_bytes(data)
    with pytest.raises(ConfigError, match="weights of model 'tiny' are not those") as caught:
        _submit(settings)
    assert str(model) not in str(caught.value)


def test_a_model_that_is_gone_is_refused_by_its_name(settings: ServiceSettings, model: Path) -> None:
    shutil.rmtree(model)
    with pytest.raises(ConfigError, match="model 'tiny' of this server has no folder any more"):
        _submit(settings)


def test_a_folder_of_the_hubs_cache_must_be_at_the_stated_commit(tmp_path: Path, model: Path) -> None:
    snapshot = shutil.copytree(model, tmp_path / ("a" * 40))
    check_source("tiny", ModelSource(path=str(snapshot), revision="a" * 40))
    with pytest.raises(ConfigError, match=r"is at revision a{40}, its settings say b{40}"):
        check_source("tiny", ModelSource(path=str(snapshot), revision="b" * 40))


def test_a_model_that_changed_while_its_search_waited_is_not_loaded(
    settings: ServiceSettings, model: Path, tmp_path: Path
) -> None:
    stored = _submit(settings).resolved()
    with Ledger.open(f"sqlite:///{tmp_path / 'nas.db'}") as ledger:
        job = ledger.submit_job(
            "alice.mine", kind="search", config=stored, trials=5, account="alice", log=None
        ).job
        (model / "model.safetensors").write_bytes(b"others")
        Dispatcher(ledger, settings).look()
        found = ledger.job(job.id)
    assert (found.state, "weights of model 'tiny'" in (found.reason or "")) == (JobState.FAILED, True)


def test_a_model_that_is_allowed_no_more_is_not_loaded(settings: ServiceSettings) -> None:
    stored = _submit(settings).resolved()
    check_stored(stored, settings)
    with pytest.raises(ConfigError, match="does not allow the model of this search any more"):
        check_stored(stored, settings.model_copy(update={"models": {}}))


def test_weights_in_shards_have_one_hash_of_all(model: Path) -> None:
    whole = weights_sha256(model)
    shutil.copy(model / "model.safetensors", model / "model-2.safetensors")
    two = weights_sha256(model)
    (model / "model-2.safetensors").unlink()
    assert (two != whole, weights_sha256(model)) == (True, whole)


# YAML


@pytest.mark.parametrize(
    "text", ["- a\n- b", "just text", "", "a: &x 1\nb: *x", "!!python/object:os.system x"]
)
def test_yaml_that_is_no_plain_mapping_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        yaml_document(text)


def test_yaml_and_json_mean_the_same_search(settings: ServiceSettings) -> None:
    text = json.dumps(_document())
    found = search_config(yaml_document(text), settings=settings, account="alice", is_admin=False)
    assert found == _submit(settings)


@pytest.mark.slow
def test_submission_loads_neither_torch_nor_ray(fresh_python: Callable[[str], str]) -> None:
    program = "import sys, nas.service.submission; print({'torch', 'ray', 'transformers'} & set(sys.modules))"
    assert fresh_python(program).strip() == "set()"
