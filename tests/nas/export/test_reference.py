from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from nas.errors import ExportVerificationError
from nas.export.fresh_process import Expected, Proof, Reloaded, compare
from nas.export.generation import Generation
from nas.export.reference import Answer, Reference, reference_of

LOGITS = torch.tensor([[1.0, 200.0], [0.0, 3.0]])
REFERENCE = Reference(
    answers=(Answer(inputs={"input_ids": torch.ones(2, 3)}, output=LOGITS),),
    generation=Generation(prompt={}, tokens=torch.tensor([[4, 5]])),
)
EXPECTED = Expected(
    reference=REFERENCE,
    num_parameters=7,
    auto_class="AutoModel",
    runtimes=("onnx",),
    text="a",
    token_ids=(1, 2),
)
EQUAL = Reloaded(
    outputs={"torch": [LOGITS], "onnx": [LOGITS]},
    generated={"cached": torch.tensor([[4, 5]]), "uncached": torch.tensor([[4, 5]])},
    num_parameters=7,
    unmatched=(),
    token_ids=(1, 2),
)
FOLDER = Path("out")


def shifted(by: float) -> torch.Tensor:
    return LOGITS + torch.tensor([[by, 0.0], [0.0, 0.0]])


def test_equal_logits_have_no_difference():
    assert compare(FOLDER, EQUAL, EXPECTED) == Proof(max_difference=0, runtimes={"onnx": 0})


@pytest.mark.parametrize(("shift", "passes"), [(0.0015, True), (0.0025, False)])
def test_logits_may_differ_by_a_hundred_thousandth_of_the_largest(shift, passes):
    seen = replace(EQUAL, outputs={"torch": [shifted(shift)], "onnx": [LOGITS]})
    if passes:
        assert compare(FOLDER, seen, EXPECTED).max_difference == pytest.approx(shift, rel=1e-2)
    else:
        with pytest.raises(ExportVerificationError, match=r"differ by up to 0\.0025.*allowed are 0\.002"):
            compare(FOLDER, seen, EXPECTED)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_parameters": 8}, "the loaded model has 8 parameters, the searched sub-network 7"),
        ({"token_ids": None}, "its tokenizer makes None of 'a'"),
        ({"unmatched": ("missing_keys a",)}, "weights do not match: missing_keys a"),
        (
            {"outputs": {"torch": [LOGITS[:1]], "onnx": [LOGITS]}},
            r"outputs have shape \(1, 2\), expected \(2, 2\)",
        ),
        (
            {"outputs": {"torch": [LOGITS * float("nan")], "onnx": [LOGITS]}},
            "outputs differ by up to nan",
        ),
        ({"generated": {**EQUAL.generated, "cached": torch.tensor([[4, 6]])}}, "with a key-value cache"),
        ({"generated": {**EQUAL.generated, "uncached": torch.tensor([[4]])}}, "without a key-value cache"),
    ],
)
def test_anything_else_than_the_searched_sub_network_is_refused(change, message):
    with pytest.raises(ExportVerificationError, match=message):
        compare(FOLDER, replace(EQUAL, **change), EXPECTED)


def test_a_reference_is_read_as_it_was_written(supernet, mixed_config, tmp_path):
    inputs = {"input_ids": torch.tensor([[5, 6, 7]]), "attention_mask": torch.tensor([[1, 1, 0]])}
    written = reference_of(supernet, mixed_config.canonical(supernet.shape), inputs)
    written.save(tmp_path)
    (read,) = Reference.load(tmp_path).answers
    assert read.output.equal(written.answers[0].output)
    assert {name: tensor.tolist() for name, tensor in read.inputs.items()} == {
        name: tensor.tolist() for name, tensor in inputs.items()
    }


def test_a_reference_of_its_own_has_three_batches_of_different_sizes(supernet, mixed_config, tmp_path):
    reference_of(supernet, mixed_config.canonical(supernet.shape), None).save(tmp_path)
    answers = Reference.load(tmp_path).answers
    assert [tuple(answer.inputs["input_ids"].shape) for answer in answers] == [(4, 16), (1, 5), (3, 11)]
    assert answers[2].inputs["attention_mask"].sum(dim=1).tolist() == [11, 8, 4]


@pytest.mark.parametrize(("shift", "passes"), [(0.015, True), (0.025, False)])
def test_another_runtime_may_differ_by_a_ten_thousandth_of_the_largest(shift, passes):
    seen = replace(EQUAL, outputs={"torch": [LOGITS], "onnx": [shifted(shift)]})
    if passes:
        assert compare(FOLDER, seen, EXPECTED).runtimes["onnx"] == pytest.approx(shift, rel=1e-2)
    else:
        with pytest.raises(ExportVerificationError, match=r"outputs of onnx differ by up to 0\.025"):
            compare(FOLDER, seen, EXPECTED)


@pytest.mark.parametrize(("where", "passes"), [((1, 2), True), ((0, 2), False)])
def test_another_runtime_is_not_compared_at_padding(where, passes):
    output = torch.ones(2, 3, 5)
    inputs = {"input_ids": torch.ones(2, 3), "attention_mask": torch.tensor([[1, 1, 1], [1, 1, 0]])}
    reference = Reference(answers=(Answer(inputs=inputs, output=output),))
    other = output.clone()
    other[where] = 7.0
    seen = replace(EQUAL, outputs={"torch": [output], "onnx": [other]}, generated={})
    expected = replace(EXPECTED, reference=reference)
    if passes:
        assert compare(FOLDER, seen, expected).runtimes == {"onnx": 0}
    else:
        with pytest.raises(ExportVerificationError, match="outputs of onnx differ by up to 6"):
            compare(FOLDER, seen, expected)
