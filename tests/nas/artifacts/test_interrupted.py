"""A writer that stops between two steps leaves at most two generations to be seen."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest

from nas.artifacts import ArtifactStore
from nas.artifacts.files import LocalFiles

MakeFile = Callable[..., Path]


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.mark.parametrize("step", range(8))
def test_a_put_that_ends_at_any_step_leaves_whole_generations(
    local: ArtifactStore, make_file: MakeFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    for content in (b"1", b"2"):
        local.put_file("name", make_file(content))
    left = iter(range(step))

    def counted(method: Callable[..., None]) -> Callable[..., None]:
        def call(*arguments: object) -> None:
            if next(left, None) is None:
                raise Killed
            method(*arguments)

        return call

    with monkeypatch.context() as patch:
        for name in ("write", "delete", "_settle"):
            patch.setattr(LocalFiles, name, counted(getattr(LocalFiles, name)))
        with contextlib.suppress(Killed):
            local.put_file("name", make_file(b"3"))
    found = local.fetch_newest("name", tmp_path / "out")
    assert found is not None
    assert (tmp_path / "out").read_bytes() == str(found.generation).encode()
    assert [one.generation for one in local.generations("name")] in ([2, 1], [3, 2])
    assert local.verify().is_whole
    local.put_file("name", make_file(b"4"))
    local.sweep(older_than_s=-1)
    assert local.verify().num_objects == 2
