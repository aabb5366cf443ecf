from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import BertConfig, RobertaConfig, RobertaForSequenceClassification

from nas.errors import ExportVerificationError
from nas.export.fresh_process import Expected, Reloaded, compare
from nas.export.reference import Reference, random_inputs, reference_of

REFERENCE = Reference(inputs={"input_ids": torch.ones(2, 3)}, logits=torch.tensor([[1.0, 200.0], [0.0, 3.0]]))
EXPECTED = Expected(reference=REFERENCE, num_parameters=7, text="a", token_ids=(1, 2))
EQUAL = Reloaded(logits=REFERENCE.logits, num_parameters=7, unmatched=(), token_ids=(1, 2))
FOLDER = Path("out")


def test_equal_logits_have_no_difference():
    assert compare(FOLDER, EQUAL, EXPECTED) == 0


@pytest.mark.parametrize(("shift", "passes"), [(0.0015, True), (0.0025, False)])
def test_logits_may_differ_by_a_hundred_thousandth_of_the_largest(shift, passes):
    seen = replace(EQUAL, logits=REFERENCE.logits + torch.tensor([[shift, 0.0], [0.0, 0.0]]))
    if passes:
        assert compare(FOLDER, seen, EXPECTED) == pytest.approx(shift, rel=1e-2)
    else:
        with pytest.raises(ExportVerificationError, match=r"differ by up to 0\.0025.*allowed are 0\.002"):
            compare(FOLDER, seen, EXPECTED)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_parameters": 8}, "the loaded model has 8 parameters, the searched sub-network 7"),
        ({"token_ids": None}, "its tokenizer makes None of 'a'"),
        ({"unmatched": ("missing_keys a",)}, "weights do not match: missing_keys a"),
        ({"logits": REFERENCE.logits[:1]}, r"logits have shape \(1, 2\), expected \(2, 2\)"),
        ({"logits": REFERENCE.logits * float("nan")}, "logits differ by up to nan"),
    ],
)
def test_anything_else_than_the_searched_sub_network_is_refused(change, message):
    with pytest.raises(ExportVerificationError, match=message):
        compare(FOLDER, replace(EQUAL, **change), EXPECTED)


def test_a_reference_is_read_as_it_was_written(supernet, mixed_config, tmp_path):
    inputs = {"input_ids": torch.tensor([[5, 6, 7]]), "attention_mask": torch.tensor([[1, 1, 0]])}
    written = reference_of(supernet, mixed_config.canonical(supernet.shape), inputs)
    written.save(tmp_path)
    read = Reference.load(tmp_path)
    assert read.logits.equal(written.logits)
    assert {name: tensor.tolist() for name, tensor in read.inputs.items()} == {
        name: tensor.tolist() for name, tensor in inputs.items()
    }


def test_random_inputs_have_padding_and_two_segments_and_never_change():
    inputs, again = (random_inputs(BertConfig(vocab_size=30)) for _ in range(2))
    tokens, mask = inputs["input_ids"], inputs["attention_mask"]
    assert tokens.equal(again["input_ids"])
    assert mask.sum(dim=1).tolist() == [16, 12, 8, 4]
    assert tokens[mask == 0].eq(0).all()
    assert tokens[mask == 1].ne(0).all()
    assert set(inputs["token_type_ids"].unique().tolist()) == {0, 1}


def test_random_inputs_fit_few_positions_that_count_from_the_padding_token():
    config = RobertaConfig(
        vocab_size=30,
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=8,
        max_position_embeddings=6,
    )
    inputs = random_inputs(config)
    assert inputs["input_ids"].shape == (4, 4)
    assert RobertaForSequenceClassification(config)(**inputs).logits.shape == (4, 2)
