from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from nas.errors import ConfigError, ExportVerificationError
from nas.export import ExportFacts, export_subnet, verify_folder
from nas.export.checksums import write_sums
from nas.export.runtimes import runtimes_of
from nas.supernet import Supernet
from search_spaces import LayerUnits, SubnetConfig

FORMATS = ("hf", "onnx", "openvino")
UNEQUAL = SubnetConfig(
    hidden=12, layers=(LayerUnits(heads=1, queries=2, ffn=7), LayerUnits(heads=2, queries=1, ffn=0))
)


@pytest.fixture(scope="session")
def both(scrambled, tmp_path_factory):
    """A decoder of unequal blocks, for both runtimes."""
    pytest.importorskip("onnxscript")
    pytest.importorskip("openvino")
    config = LlamaConfig(
        vocab_size=40,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=12,
        max_position_embeddings=32,
    )
    supernet = Supernet.from_model(scrambled(LlamaForCausalLM(config)), task="causal-lm")
    folder = tmp_path_factory.mktemp("runtimes") / "out"
    return export_subnet(supernet, UNEQUAL, folder, facts=ExportFacts(), formats=FORMATS)


@pytest.mark.slow
def test_each_runtime_answers_as_the_searched_sub_network(both):
    assert set(both.runtime_differences) == {"onnx", "openvino"}
    assert all(0 <= value <= 10 * both.tolerance for value in both.runtime_differences.values())
    assert {"onnx/model.onnx", "openvino/model.xml", "openvino/model.bin"} <= set(both.files)


@pytest.mark.slow
def test_the_onnx_file_names_its_open_axes(both):
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(both.folder / "onnx" / "model.onnx")
    shapes = {value.name: value.shape for value in session.get_inputs()}
    axes = ["batch_size", "sequence_length"]
    assert shapes == {"input_ids": axes, "attention_mask": axes}
    assert [value.name for value in session.get_outputs()] == ["logits"]


@pytest.mark.slow
def test_the_openvino_file_takes_any_batch_and_length(both):
    openvino = pytest.importorskip("openvino")
    model = openvino.Core().compile_model(both.folder / "openvino" / "model.xml", "CPU")
    tokens = torch.full((5, 9), 4).numpy()
    outputs = model({"input_ids": tokens, "attention_mask": tokens // 4})
    assert outputs["logits"].shape == (5, 9, 40)


@pytest.mark.slow
def test_verification_asks_the_runtimes_too(both, tmp_path):
    folder = shutil.copytree(both.folder, tmp_path / "out")
    onnx = pytest.importorskip("onnx")
    model = onnx.load(folder / "onnx" / "model.onnx")
    largest = max(model.graph.initializer, key=lambda weight: len(weight.raw_data))
    weight = onnx.numpy_helper.to_array(largest)
    largest.raw_data = (weight * 1.1).astype(weight.dtype).tobytes()
    onnx.save(model, folder / "onnx" / "model.onnx")
    write_sums(folder)
    with pytest.raises(ExportVerificationError, match="outputs of onnx differ by up to"):
        verify_folder(folder)


@pytest.mark.slow
def test_a_runtime_that_answers_otherwise_leaves_no_folder(supernet, plain_config, tmp_path, monkeypatch):
    def write_another(model, runtime, folder):
        from nas.export.runtimes import write_runtime

        with torch.no_grad():
            model.classifier.bias.add_(1.0)
        write_runtime(model, runtime, folder)

    monkeypatch.setattr("nas.export.folder.write_runtime", write_another)
    with pytest.raises(ExportVerificationError, match="outputs of onnx differ by up to 1"):
        export_subnet(supernet, plain_config, tmp_path / "out", facts=ExportFacts(), formats=["onnx"])
    assert list(tmp_path.iterdir()) == []


def test_an_architecture_that_cannot_be_converted_leaves_no_folder(
    supernet, plain_config, tmp_path, monkeypatch
):
    def refuse(*_):
        raise RuntimeError("no such operator\nat line 3")

    monkeypatch.setitem(runtimes_table(), "onnx", refuse)
    with pytest.raises(ExportVerificationError, match="cannot be written for onnx: no such operator; leave"):
        export_subnet(supernet, plain_config, tmp_path / "out", facts=ExportFacts(), formats=["onnx"])
    assert list(tmp_path.iterdir()) == []


def runtimes_table():
    from nas.conversion import WRITERS

    return WRITERS


def test_an_unknown_format_is_refused_with_those_that_are_known():
    with pytest.raises(ConfigError, match="unknown export format 'tflite'; allowed are hf, onnx, openvino"):
        runtimes_of(["hf", "tflite"])


def test_a_format_whose_packages_are_missing_says_what_to_install(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "onnxruntime" else name)
    with pytest.raises(
        ConfigError, match=r'export format onnx needs onnxruntime: pip install "subnas\[export\]"'
    ):
        runtimes_of(["onnx"])


def test_the_folder_of_transformers_is_no_runtime():
    assert runtimes_of(["hf"]) == ()
    assert runtimes_of([]) == ()


@pytest.mark.slow
def test_the_report_of_a_verification_is_that_of_the_export(both):
    report = verify_folder(both.folder)
    assert report.formats == FORMATS
    assert replace(report, files=()).runtime_differences == both.runtime_differences
