"""Arrays in files: mapped by workers of this machine, read by others."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from workers import FileRegion, FileStamp, Lane, SerialPool, Task, mapped


@pytest.fixture
def region(tmp_path: Path) -> FileRegion:
    """The numbers 3 to 8, as three rows, of a file of ten."""
    path = tmp_path / "numbers.bin"
    np.arange(10, dtype=np.float32).tofile(path)
    return FileRegion(path=str(path), stamp=FileStamp.of(str(path)), offset=12, shape=(3, 2), dtype="float32")


EXPECTED = [[3, 4], [5, 6], [7, 8]]


def test_a_region_is_read_and_mapped_alike(region: FileRegion) -> None:
    assert region.read().tolist() == EXPECTED
    assert mapped({"weights": region})["weights"].tolist() == EXPECTED
    assert region.nbytes == 24


def test_a_mapped_region_cannot_be_written(region: FileRegion) -> None:
    with pytest.raises(ValueError, match="read-only"):
        mapped({"weights": region})["weights"][0, 0] = 1


def test_regions_of_a_file_share_one_mapping(region: FileRegion) -> None:
    arrays = mapped({"one": region, "same": region})
    assert np.shares_memory(arrays["one"], arrays["same"])


def test_arrays_stay_where_they_are(region: FileRegion) -> None:
    array = np.ones(3)
    assert np.shares_memory(mapped({"array": array, "region": region})["array"], array)


def test_a_file_in_place_of_the_first_is_refused(region: FileRegion, tmp_path: Path) -> None:
    np.zeros(10, dtype=np.float32).tofile(tmp_path / "other")
    os.replace(tmp_path / "other", region.path)
    for use in (region.read, lambda: mapped({"weights": region})):
        with pytest.raises(OSError, match="was replaced since the search began"):
            use()


def test_a_file_that_is_gone_is_refused(region: FileRegion) -> None:
    os.remove(region.path)
    with pytest.raises(OSError, match="is gone"):
        region.read()


def test_a_serial_pool_maps_regions(region: FileRegion) -> None:
    with SerialPool() as pool:
        lane = Lane(factory=lambda arrays: lambda payload: arrays["weights"].tolist(), num_workers=1)
        pool.start({"quality": lane}, {"weights": region})
        pool.submit(Task(number=0, payload=None, lane="quality"))
        assert pool.wait(1)[0].result == EXPECTED


@pytest.mark.slow
@pytest.mark.alone
def test_ray_workers_of_this_machine_map_the_file(region: FileRegion) -> None:
    from workers import RayPool

    def factory(arrays):  # type: ignore[no-untyped-def]
        def where(payload: object) -> tuple[object, str]:
            address = arrays["weights"].ctypes.data
            for line in Path("/proc/self/maps").read_text().splitlines():
                low, high = (int(bound, 16) for bound in line.split()[0].split("-"))
                if low <= address < high:
                    return arrays["weights"].tolist(), line
            return None, "not mapped"

        return where

    with RayPool(num_workers=1) as pool:
        pool.start({"quality": Lane(factory=factory, num_workers=1)}, {"weights": region})
        pool.submit(Task(number=0, payload=None, lane="quality"))
        found, line = pool.wait(60)[0].result
    assert found == EXPECTED
    assert line.endswith(region.path)
    assert line.split()[1] == "rw-p"  # private: a copy is made of a page that is written
