"""Targets."""

from __future__ import annotations

from typing import Any

import pytest

import nas
from nas import Target


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"backend": "onnx"},
            "backend 'onnx' is not available; allowed: torch, torch_compile, onnxruntime, openvino",
        ),
        ({"backend": "openvino", "device": "cuda:0"}, "openvino is timed on the cpu only, not on cuda:0"),
        ({"backend": "onnxruntime", "dtype": "bfloat16"}, "onnxruntime is timed in float32, not in bfloat16"),
        ({"decode_length": -1}, "decode_length of target local is -1; it must be at least 0"),
        ({"dtype": "int8"}, "dtype is 'int8'; allowed are float32, bfloat16, float16"),
        ({"batch_size": 0}, "batch_size of target local is 0; it must be at least 1"),
        ({"sequence_length": -1}, "sequence_length of target local is -1"),
        ({"threads": 0}, "threads of target local is 0"),
    ],
)
def test_what_cannot_be_measured_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(nas.ConfigError, match=message):
        Target.local(**options)


def test_a_description_makes_the_same_target_again() -> None:
    target = Target.local(name="edge", sequence_length=32, threads=2)
    assert Target(**target.describe()) == target


# What older versions stored, and the hashes that they computed.
OLD = {
    "name": "local",
    "backend": "torch",
    "device": "cpu",
    "dtype": "float32",
    "batch_size": 1,
    "sequence_length": 128,
    "threads": 1,
}


def test_a_target_that_an_older_version_stored_still_loads_and_is_stored_alike() -> None:
    assert Target(**OLD) == Target()
    assert Target().describe() == Target().identity() == OLD


@pytest.mark.parametrize(
    ("options", "sha256"),
    [
        ({}, "b06c415e7a7a7c7051041eeede5bf65c825fc43de6edbb49bf29a4bf7e6ed6c1"),
        (
            {"batch_size": 2, "sequence_length": 16, "threads": 4, "dtype": "bfloat16"},
            "fca73301ac0c1411875dc5188a0e93b0cc38dbf232c0afda21ad8fd267ec4eda",
        ),
    ],
)
def test_the_workload_of_one_eager_forward_hashes_as_it_always_did(
    options: dict[str, Any], sha256: str
) -> None:
    assert Target(**options).workload_sha256 == sha256


def test_generated_tokens_and_the_runtime_are_part_of_the_workload() -> None:
    variants = ({}, {"decode_length": 8}, {"decode_length": 9}, {"backend": "openvino"})
    assert len({Target(**options).workload_sha256 for options in variants}) == len(variants)


def test_labels_say_where_and_not_what() -> None:
    here, there = Target(), Target(labels={"device": "edge"})
    assert here.workload_sha256 == there.workload_sha256
    assert here.identity() == there.identity()
    assert Target(**there.describe()) == there != here
    assert hash(there) == hash(here)


def test_another_runtime_is_another_device_and_torch_is_what_it_was() -> None:
    assert Target().fingerprint().runtime == ""
    assert Target(backend="openvino").fingerprint().runtime.startswith("openvino ")
    assert Target(backend="openvino").fingerprint().id != Target().fingerprint().id


def test_the_workload_leaves_name_device_and_threads_out() -> None:
    one = Target.local(sequence_length=32)
    same = Target(name="other", device="cuda:0", threads=4, sequence_length=32)
    assert one.workload_sha256 == same.workload_sha256
    assert one.workload_sha256 != Target.local(sequence_length=64).workload_sha256
    assert one.workload_sha256 != Target.local(sequence_length=32, dtype="bfloat16").workload_sha256


def test_a_local_target_is_this_device_with_its_threads() -> None:
    assert Target.local(threads=2).fingerprint().threads == 2
    assert Target.local(threads=2).fingerprint().id != Target.local(threads=1).fingerprint().id
