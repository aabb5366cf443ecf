from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import workers


def test_importing_the_package_loads_neither_ray_nor_torch() -> None:
    root = Path(workers.__file__).parents[1]
    code = "import sys, workers; print(sorted({'ray', 'torch', 'numpy'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_pools_in_process_and_latency_load_no_ray() -> None:
    root = Path(workers.__file__).parents[1]
    code = (
        "import sys\nfrom workers import SerialPool, measure_pair, fingerprint\n"
        "fingerprint()\nprint(sorted({'ray', 'torch'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize("name", workers.__all__)
def test_each_public_name_is_found(name: str) -> None:
    assert getattr(workers, name) is not None


def test_an_unknown_name_is_an_attribute_error_that_lists_the_known() -> None:
    with pytest.raises(AttributeError, match="RayPool"):
        workers.RemotePool  # type: ignore[attr-defined]  # noqa: B018
