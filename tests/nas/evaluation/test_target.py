"""Targets."""

from __future__ import annotations

from typing import Any

import pytest

import nas
from nas import Target


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backend": "onnx"}, "backend 'onnx' is not available; allowed: torch"),
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


def test_the_workload_leaves_name_device_and_threads_out() -> None:
    one = Target.local(sequence_length=32)
    same = Target(name="other", device="cuda:0", threads=4, sequence_length=32)
    assert one.workload_sha256 == same.workload_sha256
    assert one.workload_sha256 != Target.local(sequence_length=64).workload_sha256
    assert one.workload_sha256 != Target.local(sequence_length=32, dtype="bfloat16").workload_sha256


def test_a_local_target_is_this_device_with_its_threads() -> None:
    assert Target.local(threads=2).fingerprint().threads == 2
    assert Target.local(threads=2).fingerprint().id != Target.local(threads=1).fingerprint().id
