"""The quickstart on the real model and the real sentences, with less training and fewer trials."""

import hashlib
from pathlib import Path

import pytest
from transformers import AutoConfig

import nas
from nas.jobs import QuickstartOptions, bundled, run_quickstart
from nas.jobs.bundled import HUB_ID, MODEL_SHA256, bundled_model, published_name
from nas.jobs.quickstart import BUDGET, quickstart_config
from storage import TrialState


def test_the_bundled_model_is_found_and_its_weights_are_the_published_ones() -> None:
    folder = Path(bundled_model())
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    assert digest == MODEL_SHA256
    assert AutoConfig.from_pretrained(folder).num_hidden_layers == 6
    assert published_name(str(folder)) == HUB_ID


def test_other_weights_in_the_package_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundled, "MODEL_SHA256", "0" * 64)
    with pytest.raises(nas.ConfigError, match="are not those of"):
        bundled_model()


def test_without_the_package_the_hub_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundled, "MODEL_PACKAGE", "no_such_package_here")
    assert bundled_model() == "sentence-transformers/all-MiniLM-L6-v2"


def test_own_model_and_data_take_the_place_of_the_bundled_ones(tmp_path: Path) -> None:
    config = quickstart_config(QuickstartOptions(model="m", data="d.csv"), tmp_path)
    assert (config.model.id, config.data.train, config.data.validation) == ("m", "d.csv", "d.csv")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_whole_flow_ends_with_a_verified_model_within_budget(tmp_path: Path) -> None:
    options = QuickstartOptions(folder=tmp_path / "quickstart", passes=24, trials=16)
    result = run_quickstart(options, show_progress=False)
    with result.study as study:
        assert result.selected.metrics["latency_ms"] <= 0.6 * study.baseline["latency_ms"]
        assert nas.verify_folder(result.exported)
        assert {path.suffix for path in result.pictures} == {".svg", ".html"}
        assert study.best(BUDGET).number == result.selected.number
        history = [(trial.number, trial.key, trial.metrics) for trial in study.trials]
    again = run_quickstart(options, show_progress=False)
    with again.study as study:
        assert [(trial.number, trial.key, trial.metrics) for trial in study.trials] == history
        assert sum(trial.state is TrialState.DONE for trial in study.trials) == 16
    assert again.exported == result.exported
