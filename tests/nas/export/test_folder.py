from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import (
    AutoModel,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    ElectraConfig,
    ElectraForSequenceClassification,
    RobertaConfig,
    RobertaForSequenceClassification,
)

from nas.errors import ConfigError, ExportVerificationError
from nas.export import ExportFacts, export_subnet
from nas.export.modelling import modelling_source
from nas.export.reference import Reference
from nas.supernet import Supernet
from search_spaces import LayerUnits, SubnetConfig

ROOT = Path(__file__).resolve().parents[3]
SIZES = {
    "vocab_size": 60,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 20,
}
UNEQUAL = SubnetConfig(hidden=12, layers=(LayerUnits(heads=(1,), ffn=0), LayerUnits(heads=2, ffn=(3, 7))))

#: What a user does with a folder; prints the logits of its reference inputs.
USER_PROGRAM = """
import importlib.util, json, os, sys
sys.path = [path for path in sys.path if os.path.realpath(path) != sys.argv[2]]  # an editable install's
assert importlib.util.find_spec("nas") is None, "this process can import the project"
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification
model = AutoModelForSequenceClassification.from_pretrained(sys.argv[1], trust_remote_code=True).eval()
tensors = load_file(sys.argv[1] + "/reference.safetensors")
inputs = {name[7:]: tensor for name, tensor in tensors.items() if name.startswith("inputs.")}
print(json.dumps(model(**inputs).logits.tolist()))
"""
KILLED_PROGRAM = """
import os, signal, sys
sys.path.insert(0, sys.argv[2])
from transformers import BertConfig, BertForSequenceClassification
from nas.export import ExportFacts, export_subnet
from nas.supernet import Supernet
model = BertForSequenceClassification(BertConfig(
    vocab_size=60, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24))
supernet = Supernet.from_model(model)
kill = lambda folder: os.kill(os.getpid(), signal.SIGKILL)
export_subnet(supernet, supernet.full, sys.argv[1], facts=ExportFacts(), check_budget=kill)
"""


def logits_of(supernet, config, inputs) -> torch.Tensor:
    with torch.inference_mode(), supernet.active(config) as model:
        return model(**inputs).logits.clone()


def other_inputs() -> dict[str, torch.Tensor]:
    """Rows that the export did not compare on."""
    tokens = torch.randint(5, 57, (3, 11), generator=torch.Generator().manual_seed(7))
    mask = torch.ones_like(tokens)
    mask[1, 6:] = 0
    return {"input_ids": tokens, "attention_mask": mask}


def test_a_plain_folder_loads_with_the_stock_class_and_answers_as_the_active_supernet(
    supernet, plain_config, plain_report
):
    model = AutoModelForSequenceClassification.from_pretrained(plain_report.folder)
    assert type(model) is BertForSequenceClassification
    inputs = other_inputs()
    with torch.inference_mode():
        logits = model.eval()(**inputs).logits
    torch.testing.assert_close(logits, logits_of(supernet, plain_config, inputs), rtol=0, atol=1e-5)


def test_the_report_says_what_was_written(plain_report, supernet, plain_config):
    assert plain_report.portability == "plain"
    assert plain_report.key == plain_config.canonical(supernet.shape).key
    assert plain_report.num_parameters == supernet.cost(plain_config).num_parameters
    assert plain_report.max_difference <= plain_report.tolerance
    present = {path.name for path in plain_report.folder.iterdir()}
    assert set(plain_report.files) == present


def test_a_plain_folder_holds_no_code(plain_report):
    assert not [name for name in plain_report.files if name.endswith(".py")]
    assert "auto_map" not in json.loads((plain_report.folder / "config.json").read_text())


def test_the_tokenizer_is_handed_over(plain_report, tokenizer):
    text = "a small text"
    assert (
        AutoTokenizer.from_pretrained(plain_report.folder)(text)["input_ids"] == tokenizer(text)["input_ids"]
    )


def test_every_file_is_readable_by_whom_the_umask_says(plain_report):
    modes = {oct((plain_report.folder / name).stat().st_mode) for name in plain_report.files}
    assert len(modes) == 1


def test_sha256sum_accepts_the_folder(plain_report):
    done = subprocess.run(
        ["sha256sum", "--strict", "-c", "SHA256SUMS"],
        cwd=plain_report.folder,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == len(plain_report.files) - 1


@pytest.mark.slow
def test_a_mixed_folder_answers_as_the_active_supernet_where_the_project_is_not_installed(
    mixed_report, supernet, mixed_config, tmp_path
):
    environment = {"PATH": os.environ["PATH"], "HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-I", "-c", USER_PROGRAM, str(mixed_report.folder), str(ROOT)],
        check=False,
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    inputs = Reference.load(mixed_report.folder).answers[0].inputs
    expected = logits_of(supernet, mixed_config, inputs)
    torch.testing.assert_close(torch.tensor(json.loads(done.stdout)), expected, rtol=0, atol=1e-5)


@pytest.mark.slow
def test_a_mixed_folder_fails_loudly_without_trust_in_its_code(mixed_report):
    with pytest.raises(ValueError, match="trust_remote_code=True"):
        AutoModelForSequenceClassification.from_pretrained(mixed_report.folder, trust_remote_code=False)


@pytest.mark.slow
def test_the_stock_class_refuses_a_mixed_folder(mixed_report):
    with pytest.raises(RuntimeError, match="per-layer attribute"):
        BertForSequenceClassification.from_pretrained(mixed_report.folder)


@pytest.mark.slow
@pytest.mark.usefixtures("own_modules_cache")
def test_a_mixed_folder_can_change_its_attention_implementation(mixed_report):
    model = AutoModelForSequenceClassification.from_pretrained(mixed_report.folder, trust_remote_code=True)
    model.set_attn_implementation("eager")
    attentions = model(**other_inputs(), output_attentions=True).attentions
    assert [tuple(weights.shape) for weights in attentions] == [(3, 2, 11, 11), (3, 3, 11, 11)]


@pytest.mark.slow
@pytest.mark.usefixtures("own_modules_cache")
def test_a_mixed_folder_loads_without_its_head(mixed_report):
    model, keys = AutoModel.from_pretrained(
        mixed_report.folder, trust_remote_code=True, output_loading_info=True
    )
    assert isinstance(model, BertModel)
    assert not keys["missing_keys"]


@pytest.mark.slow
@pytest.mark.usefixtures("own_modules_cache")
def test_a_mixed_folder_saved_again_loads_with_the_same_logits(mixed_report, tmp_path):
    first = AutoModelForSequenceClassification.from_pretrained(mixed_report.folder, trust_remote_code=True)
    first.save_pretrained(tmp_path / "again")
    second = AutoModelForSequenceClassification.from_pretrained(tmp_path / "again", trust_remote_code=True)
    with torch.inference_mode():
        logits = [model.eval()(**other_inputs()).logits for model in (first, second)]
    torch.testing.assert_close(logits[0], logits[1], rtol=0, atol=0)


@pytest.mark.slow
@pytest.mark.parametrize(
    "make",
    [
        lambda: RobertaForSequenceClassification(RobertaConfig(**SIZES)),
        lambda: ElectraForSequenceClassification(ElectraConfig(**SIZES, embedding_size=8)),
    ],
    ids=["roberta", "electra"],
)
def test_other_architectures_pass_the_gates(make, scrambled, tmp_path):
    supernet = Supernet.from_model(scrambled(make()))
    report = export_subnet(supernet, UNEQUAL, tmp_path / "out", facts=ExportFacts())
    assert report.portability == "custom-code"
    assert report.max_difference <= report.tolerance


@pytest.mark.slow
def test_a_supernet_in_training_and_half_precision_is_compared_in_float32_and_left_as_it_is(
    scrambled, tmp_path
):
    model = scrambled(BertForSequenceClassification(BertConfig(**SIZES))).to(torch.bfloat16)
    supernet = Supernet.from_model(model)
    supernet.model.train()
    report = export_subnet(supernet, UNEQUAL, tmp_path / "out", facts=ExportFacts())
    assert load_file(report.folder / "model.safetensors")["classifier.weight"].dtype == torch.bfloat16
    assert report.max_difference <= report.tolerance
    assert supernet.model.training
    assert {parameter.dtype for parameter in supernet.model.parameters()} == {torch.bfloat16}


def test_an_existing_folder_is_refused(supernet, plain_config, tmp_path):
    with pytest.raises(ConfigError, match="exists already"):
        export_subnet(supernet, plain_config, tmp_path, facts=ExportFacts())


def test_overwriting_spares_what_is_no_export(supernet, plain_config, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigError, match="not written by this library"):
        export_subnet(supernet, plain_config, tmp_path, facts=ExportFacts(), overwrite=True)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


@pytest.mark.slow
def test_overwriting_gives_the_same_bytes_as_a_new_folder(
    supernet, mixed_folder, plain_config, plain_report, facts
):
    report = export_subnet(supernet, plain_config, mixed_folder, facts=facts, overwrite=True)
    assert report.sha256 == plain_report.sha256
    assert {path.name for path in mixed_folder.iterdir()} == set(plain_report.files)


@pytest.mark.slow
def test_a_wrong_modelling_file_leaves_no_folder(supernet, mixed_config, tmp_path, monkeypatch):
    def wrong_norm(*full) -> str:
        right = "self.config = config\n"
        source = modelling_source(*full)
        assert right in source
        return source.replace(right, f"{right}        self.base_model.embeddings.LayerNorm.eps = 1.0\n")

    monkeypatch.setattr("nas.export.folder.modelling_source", wrong_norm)
    with pytest.raises(ExportVerificationError, match="outputs differ by up to"):
        export_subnet(supernet, mixed_config, tmp_path / "out", facts=ExportFacts())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_modelling_file_that_needs_the_project_leaves_no_folder(
    supernet, mixed_config, tmp_path, monkeypatch
):
    monkeypatch.setattr(
        "nas.export.folder.modelling_source", lambda *full: "import nas\n" + modelling_source(*full)
    )
    with pytest.raises(ExportVerificationError, match="cannot be loaded by a fresh process"):
        export_subnet(supernet, mixed_config, tmp_path / "out", facts=ExportFacts())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_broken_budget_leaves_no_folder(supernet, plain_config, tmp_path):
    seen = []

    def check(folder: Path) -> list[str]:
        seen.extend(path.name for path in folder.iterdir())
        return ["latency_ms <= 4 (measured 4.3)"]

    with pytest.raises(ExportVerificationError, match=r"latency_ms <= 4 \(measured 4.3\)"):
        export_subnet(supernet, plain_config, tmp_path / "out", facts=ExportFacts(), check_budget=check)
    assert "SHA256SUMS" in seen
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_killed_export_leaves_nothing_under_the_folders_name(tmp_path):
    done = subprocess.run(
        [sys.executable, "-I", "-c", KILLED_PROGRAM, str(tmp_path / "out"), str(ROOT)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert [path.name.startswith(".tmp-out-") for path in tmp_path.iterdir()] == [True]


def test_exporting_leaves_the_supernet_as_it_was(supernet, plain_report):
    assert plain_report.key
    record = json.loads((plain_report.folder / "nas.json").read_text())
    fresh = Supernet.from_model(supernet.model)
    assert fresh.sha256 == supernet.sha256 == record["supernet"]["sha256"]


def test_a_shard_size_that_is_no_size_is_refused(supernet, plain_config, tmp_path):
    with pytest.raises(ConfigError, match="write a number with KB, MB or GB"):
        export_subnet(supernet, plain_config, tmp_path / "out", facts=ExportFacts(), max_shard_size="big")


@pytest.mark.slow
def test_large_weights_are_split_over_files(supernet, plain_config, tmp_path):
    report = export_subnet(
        supernet, plain_config, tmp_path / "out", facts=ExportFacts(), max_shard_size="10KB"
    )
    assert "model.safetensors.index.json" in report.files
    assert sum(name.endswith(".safetensors") and name.startswith("model-") for name in report.files) > 1


@pytest.mark.parametrize("inputs", [{}, {"input_ids": torch.ones(1, 3), "labels": torch.ones(1)}])
def test_sample_inputs_that_a_folder_cannot_be_asked_with_are_refused(
    supernet, plain_config, tmp_path, inputs
):
    with pytest.raises(ConfigError, match="input_ids is needed"):
        export_subnet(supernet, plain_config, tmp_path / "out", facts=ExportFacts(), sample_inputs=inputs)


def test_weights_that_are_not_finite_are_refused(scrambled, tmp_path):
    model = scrambled(BertForSequenceClassification(BertConfig(**SIZES)))
    model.classifier.weight.data[0, 0] = float("nan")
    supernet = Supernet.from_model(model)
    with pytest.raises(ExportVerificationError, match="not finite"):
        export_subnet(supernet, supernet.full, tmp_path / "out", facts=ExportFacts())
    assert list(tmp_path.iterdir()) == []
