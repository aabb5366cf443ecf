from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from nas.errors import ConfigError, ExportVerificationError
from nas.export import verify_folder
from nas.export.checksums import check_sums, write_sums

MODELLING = "modeling_subnet_bert.py"


def add_canary(folder: Path) -> Path:
    """Code that leaves a trace if the modelling file is run."""
    canary = folder.parent / "canary"
    with (folder / MODELLING).open("a", encoding="utf-8") as stream:
        stream.write(f"\nopen({str(canary)!r}, 'w').close()\n")
    return canary


def edit_json(path: Path, **entries: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **entries}))


def edit_weights(path: Path, change) -> None:
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path, metadata={"format": "pt"})


def test_the_sums_of_a_new_folder_fit(plain_report):
    assert set(check_sums(plain_report.folder)) == set(plain_report.files) - {"SHA256SUMS"}


@pytest.mark.slow
def test_a_whole_folder_is_verified_and_named(mixed_report):
    report = verify_folder(mixed_report.folder)
    assert (report.key, report.study, report.trial) == (mixed_report.key, "tiny", 17)
    assert report.num_parameters == mixed_report.num_parameters
    assert report.max_difference <= report.tolerance


def test_a_changed_weight_is_found(plain_folder):
    path = plain_folder / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ExportVerificationError, match=r"changed: model\.safetensors"):
        verify_folder(plain_folder)


def test_a_missing_and_an_extra_file_are_named(plain_folder):
    (plain_folder / "README.md").unlink()
    (plain_folder / "extra").mkdir()
    (plain_folder / "extra" / "sitecustomize.py").write_text("")
    with pytest.raises(
        ExportVerificationError, match=r"missing: README\.md; not listed: extra/sitecustomize\.py"
    ):
        verify_folder(plain_folder)


def test_a_link_to_a_folder_is_an_extra_file(plain_folder, tmp_path):
    (plain_folder / "linked").symlink_to(tmp_path, target_is_directory=True)
    with pytest.raises(ExportVerificationError, match="not listed: linked"):
        verify_folder(plain_folder)


def test_a_folder_without_sums_is_no_export(tmp_path):
    with pytest.raises(ExportVerificationError, match="is no exported folder"):
        verify_folder(tmp_path)


def test_no_folder_at_all_is_a_usage_error(tmp_path):
    with pytest.raises(ConfigError, match="is no folder"):
        verify_folder(tmp_path / "nowhere")


def test_damaged_sums_are_reported(plain_folder):
    (plain_folder / "SHA256SUMS").write_text("not a hash\n")
    with pytest.raises(ExportVerificationError, match="SHA256SUMS is damaged: 'not a hash'"):
        verify_folder(plain_folder)


@pytest.mark.slow
def test_changed_code_is_not_run(mixed_folder):
    canary = add_canary(mixed_folder)
    with pytest.raises(ExportVerificationError, match=f"changed: {MODELLING}"):
        verify_folder(mixed_folder)
    assert not canary.exists()


@pytest.mark.slow
def test_foreign_code_with_fitting_sums_is_not_run(mixed_folder):
    canary = add_canary(mixed_folder)
    write_sums(mixed_folder)
    with pytest.raises(ExportVerificationError, match="is not the modelling file that this version writes"):
        verify_folder(mixed_folder)
    assert not canary.exists()


@pytest.mark.slow
def test_foreign_code_is_run_only_if_trusted(mixed_folder):
    canary = add_canary(mixed_folder)
    write_sums(mixed_folder)
    verify_folder(mixed_folder, trust_modelling_file=True)
    assert canary.exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    "module", ["evil", "someone/else--modeling_subnet_bert", "evil--modeling_subnet_bert"]
)
def test_a_config_that_asks_for_other_code_is_refused(mixed_folder, module):
    edit_json(
        mixed_folder / "config.json", auto_map={"AutoModelForSequenceClassification": f"{module}.Model"}
    )
    write_sums(mixed_folder)
    with pytest.raises(ExportVerificationError, match="do not load this folder"):
        verify_folder(mixed_folder)


@pytest.mark.parametrize(
    "entry",
    [{"auto_map": {"AutoConfig": "modeling_subnet_bert.X"}}, {"_attn_implementation_internal": "a/b"}],
)
def test_a_plain_config_that_asks_for_code_is_refused(plain_folder, entry):
    edit_json(plain_folder / "config.json", **entry)
    write_sums(plain_folder)
    with pytest.raises(ExportVerificationError, match="do not load this folder"):
        verify_folder(plain_folder)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"format": 2}, "has format 2; this version reads 1"),
        ({"key": "0" * 32}, "names sub-network 0000"),
        ({"config": {"hidden": "all"}}, "cannot be read"),
        ({"costs": None}, "cannot be read"),
    ],
)
def test_a_record_that_contradicts_itself_is_refused(plain_folder, entries, message):
    edit_json(plain_folder / "nas.json", **entries)
    write_sums(plain_folder)
    with pytest.raises(ExportVerificationError, match=message):
        verify_folder(plain_folder)


def test_a_reference_without_logits_is_refused(plain_folder):
    edit_weights(plain_folder / "reference.safetensors", lambda tensors: tensors.pop("logits"))
    write_sums(plain_folder)
    with pytest.raises(ExportVerificationError, match=r"reference\.safetensors cannot be read"):
        verify_folder(plain_folder)


@pytest.mark.slow
def test_another_weight_with_fitting_sums_gives_other_logits(plain_folder):
    edit_weights(plain_folder / "model.safetensors", lambda tensors: tensors["classifier.bias"].add_(0.01))
    write_sums(plain_folder)
    with pytest.raises(ExportVerificationError, match=r"outputs differ by up to 0\.01"):
        verify_folder(plain_folder)


@pytest.mark.slow
def test_a_left_out_weight_is_not_made_up(plain_folder):
    edit_weights(plain_folder / "model.safetensors", lambda tensors: tensors.pop("classifier.bias"))
    write_sums(plain_folder)
    with pytest.raises(ExportVerificationError, match=r"missing_keys classifier\.bias"):
        verify_folder(plain_folder)


def test_the_reference_is_what_the_searched_sub_network_answers(plain_report, supernet, plain_config):
    tensors = load_file(plain_report.folder / "reference.safetensors")
    inputs = {name[7:]: tensor for name, tensor in tensors.items() if name.startswith("inputs.")}
    with torch.inference_mode(), supernet.active(plain_config) as model:
        assert torch.equal(model(**inputs).logits, tensors["logits"])
