from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module")
def ray_cluster() -> Iterator[None]:
    """Ray on this machine with two processors; pools find it initialised and leave it running."""
    from workers.launch import LocalResources
    from workers.ray_session import RaySession

    session = RaySession("local")
    try:
        session.open(LocalResources(num_cpus=2, object_store_bytes=256 * 2**20))
        yield
    finally:
        session.close()
