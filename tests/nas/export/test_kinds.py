"""Other models than classifiers of text, through all gates."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import transformers
from transformers import AutoConfig

from nas.export import ExportFacts, export_subnet, verify_folder
from nas.export.reference import Reference
from nas.supernet import Supernet

SIZES = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 12,
    "vocab_size": 40,
}
T5 = {"d_model": 16, "d_kv": 4, "d_ff": 12, "num_layers": 2, "num_heads": 2, "vocab_size": 40}
WHISPER = {
    "d_model": 16,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 12,
    "decoder_ffn_dim": 12,
    "vocab_size": 40,
    "num_mel_bins": 4,
    "max_source_positions": 8,
    "max_target_positions": 20,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 1,
}
KINDS: dict[str, tuple[str, str, dict[str, Any], str]] = {
    "images": (
        "vit",
        "AutoModelForImageClassification",
        {**SIZES, "image_size": 16, "patch_size": 8},
        "image-classification",
    ),
    "speech": ("whisper", "AutoModelForSpeechSeq2Seq", WHISPER, "seq2seq-lm"),
    "an encoder with its decoder": (
        "t5",
        "AutoModelForSeq2SeqLM",
        {**T5, "decoder_start_token_id": 0},
        "seq2seq-lm",
    ),
    "tagged words": ("bert", "AutoModelForTokenClassification", SIZES, "token-classification"),
    "masked words": ("bert", "AutoModelForMaskedLM", SIZES, "masked-lm"),
    "no head": ("bert", "AutoModel", SIZES, "feature-extraction"),
}


def without_one_neuron(supernet: Supernet) -> Any:
    """All of a model but one neuron of its last block and four residual channels: custom code."""
    *layers, last = supernet.full.layers
    assert last is not None
    layers.append(replace(last, ffn=supernet.shape.layers[-1].intermediate_size - 1))
    return replace(supernet.full, hidden=supernet.shape.hidden_size - 4, layers=tuple(layers))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_model_passes_all_gates(kind, scrambled, tmp_path):
    model_type, auto_class, sizes, task = KINDS[kind]
    config = AutoConfig.for_model(model_type, **sizes)
    model = scrambled(getattr(transformers, auto_class).from_config(config))
    supernet = Supernet.from_model(model, task=task)
    report = export_subnet(supernet, without_one_neuron(supernet), tmp_path / "out", facts=ExportFacts())
    assert (report.portability, report.auto_class) == ("custom-code", auto_class)
    assert (Reference.load(report.folder).generation is not None) == (task == "seq2seq-lm")
    assert verify_folder(report.folder).max_difference <= report.tolerance
