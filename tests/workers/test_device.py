from __future__ import annotations

import dataclasses
import json
import pickle
from pathlib import Path

import pytest

import workers.device
from workers import DeviceFingerprint, fingerprint

CPUINFO = """processor\t: 0
model name\t: Example CPU @ 2.00GHz
flags\t\t: fpu avx2 amx_bf16 avx512_bf16 rdtscp

processor\t: 1
model name\t: Another CPU
"""


def test_two_looks_at_the_same_device_agree() -> None:
    assert fingerprint() == fingerprint()
    assert fingerprint().id == fingerprint().id


def test_the_id_is_sixteen_hexadecimal_digits() -> None:
    assert len(fingerprint().id) == 16
    assert int(fingerprint().id, 16) >= 0


def test_the_id_survives_pickling() -> None:
    found = fingerprint()
    assert pickle.loads(pickle.dumps(found)).id == found.id


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(DeviceFingerprint)])
def test_each_field_changes_the_id(field: str) -> None:
    found = fingerprint()
    value = getattr(found, field)
    other = {int: lambda: value + 2**31, str: lambda: value + "x", tuple: lambda: (*value, "x")}[
        type(value)
    ]()
    assert dataclasses.replace(found, **{field: other}).id != found.id


def test_a_few_megabytes_of_memory_do_not_change_the_id() -> None:
    found = dataclasses.replace(fingerprint(), memory_bytes=8 * 2**30)
    assert dataclasses.replace(found, memory_bytes=8 * 2**30 - 30 * 2**20).id == found.id


def test_reads_model_and_relevant_instruction_sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(CPUINFO)
    monkeypatch.setattr(workers.device, "_CPUINFO", cpuinfo)
    assert fingerprint().cpu == "Example CPU @ 2.00GHz"
    assert fingerprint().cpu_features == ("amx_bf16", "avx2", "avx512_bf16")


def test_works_without_proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers.device, "_CPUINFO", tmp_path / "missing")
    assert fingerprint().cpu
    assert fingerprint().cpu_features == ()


def test_threads_are_those_of_the_measurement() -> None:
    assert fingerprint(threads=4).threads == 4


def test_refuses_an_unknown_device() -> None:
    with pytest.raises(ValueError, match="'tpu'"):
        fingerprint("tpu")


def test_a_stored_fingerprint_has_the_same_id_whatever_stands_beside_it() -> None:
    found = fingerprint(runtime="openvino 2026.4.1")
    stored = json.loads(json.dumps({**dataclasses.asdict(found), "before": {"power_w": 3.5}}))
    assert DeviceFingerprint.from_record(stored) == found


def test_a_fingerprint_from_before_there_were_runtimes_has_the_same_id() -> None:
    stored = dataclasses.asdict(fingerprint())
    del stored["runtime"]
    read = DeviceFingerprint.from_record(stored)
    assert read is not None
    assert read.id == fingerprint().id


def test_a_record_of_something_else_is_no_fingerprint() -> None:
    assert DeviceFingerprint.from_record({"cpu": "scripted"}) is None
