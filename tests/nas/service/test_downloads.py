"""Files of exports as they are sent: whole, in part, as a zip, and never from outside their folder."""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import zipfile

import pytest

from nas.service.downloads import ExportFolder, archive_response, file_response, find_file
from nas.service.problems import ProblemError
from storage import ExportFile

CONTENT = bytes(range(256)) * 5000


def row(name: str, content: bytes = CONTENT) -> ExportFile:
    return ExportFile(name=name, sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content))


@pytest.fixture
def folder(tmp_path):
    """The folder of export 7, with a file, a nested one, and links that lead out of it."""
    path = tmp_path / "artifacts" / "exports" / "7"
    (path / "templates").mkdir(parents=True)
    (path / "model.safetensors").write_bytes(CONTENT)
    (path / "templates" / "tool.jinja").write_bytes(b"{{ tool }}")
    (tmp_path / "secret").write_bytes(CONTENT)
    (path / "link").symlink_to(tmp_path / "secret")
    (path / "around").symlink_to(tmp_path)
    return ExportFolder(artifacts=tmp_path / "artifacts", job_id=7)


def body(response) -> bytes:
    async def read() -> bytes:
        return b"".join([chunk async for chunk in response.body_iterator])

    return asyncio.run(read())


def test_a_file_is_sent_whole_as_an_attachment(folder):
    response = file_response(folder, row("model.safetensors"), wanted=None, known=None)
    assert body(response) == CONTENT
    assert response.headers["content-disposition"] == 'attachment; filename="model.safetensors"'
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["etag"] == f'"{row("model.safetensors").sha256}"'


@pytest.mark.parametrize(
    ("wanted", "first", "last"),
    [("bytes=0-9", 0, 9), ("bytes=100-", 100, len(CONTENT) - 1), ("bytes=-5", len(CONTENT) - 5, None)],
)
def test_a_part_of_a_file_is_sent_as_asked_for(folder, wanted, first, last):
    response = file_response(folder, row("model.safetensors"), wanted=wanted, known=None)
    end = len(CONTENT) - 1 if last is None else last
    assert (response.status_code, body(response)) == (206, CONTENT[first : end + 1])
    assert response.headers["content-range"] == f"bytes {first}-{end}/{len(CONTENT)}"


def test_a_range_beyond_the_end_is_refused(folder):
    with pytest.raises(ProblemError) as caught:
        file_response(folder, row("model.safetensors"), wanted=f"bytes={len(CONTENT)}-", known=None)
    assert caught.value.status == 416


def test_a_file_that_the_client_has_is_not_sent_again(folder):
    file = row("model.safetensors")
    response = file_response(folder, file, wanted=None, known=f'"{file.sha256}"')
    assert (response.status_code, response.body) == (304, b"")


@pytest.mark.parametrize(
    "name",
    ["link", "around/secret", "../../../secret", "/etc/passwd", "./model.safetensors", "a\0b", "", "."],
)
def test_nothing_outside_the_folder_is_opened_even_for_a_row_that_says_so(folder, name):
    with pytest.raises(ProblemError) as caught:
        folder.open(row(name))
    assert caught.value.status == 410


def test_a_folder_that_is_a_link_is_not_followed(folder):
    exports = folder.artifacts / "exports"
    (exports / "8").symlink_to(exports / "7")
    with pytest.raises(ProblemError):
        ExportFolder(artifacts=folder.artifacts, job_id=8).open(row("model.safetensors"))


def test_a_file_of_another_size_than_its_row_says_is_not_sent(folder):
    with pytest.raises(ProblemError) as caught:
        file_response(folder, row("model.safetensors", CONTENT[1:]), wanted=None, known=None)
    assert caught.value.status == 410


def test_a_pipe_in_place_of_a_file_holds_nobody_up(folder):
    os.mkfifo(folder.artifacts / "exports" / "7" / "pipe")
    with pytest.raises(ProblemError):
        folder.open(row("pipe", b""))


def test_an_empty_file_is_sent(folder):
    (folder.artifacts / "exports" / "7" / "empty").touch()
    response = file_response(folder, row("empty", b""), wanted=None, known=None)
    assert (response.status_code, body(response)) == (200, b"")


def test_a_nested_file_is_found_by_its_flat_name(folder):
    nested = row("templates/tool.jinja", b"{{ tool }}")
    assert find_file([row("model.safetensors"), nested], "templates--tool.jinja") is nested
    descriptor = folder.open(nested)
    assert os.fstat(descriptor).st_size == 10
    os.close(descriptor)


@pytest.mark.parametrize("name", ["..", "templates/tool.jinja", "model.safetensors/", "other", ""])
def test_a_name_that_is_no_row_is_not_found(name):
    with pytest.raises(ProblemError) as caught:
        find_file([row("model.safetensors"), row("templates/tool.jinja")], name)
    assert caught.value.status == 404


def test_the_archive_has_every_file_in_one_folder(folder):
    files = [row("model.safetensors"), row("templates/tool.jinja", b"{{ tool }}")]
    archive = zipfile.ZipFile(io.BytesIO(body(archive_response(folder, files, "alice.a-export-7"))))
    assert archive.testzip() is None
    assert archive.read("alice.a-export-7/model.safetensors") == CONTENT
    assert archive.namelist()[1] == "alice.a-export-7/templates/tool.jinja"


def test_an_archive_with_a_file_gone_is_refused_before_it_begins(folder):
    with pytest.raises(ProblemError) as caught:
        archive_response(folder, [row("model.safetensors"), row("gone")], "export")
    assert caught.value.status == 410


def test_no_descriptor_is_left_open(folder):
    before = len(os.listdir("/proc/self/fd"))
    body(file_response(folder, row("model.safetensors"), wanted="bytes=0-3", known=None))
    body(archive_response(folder, [row("model.safetensors")], "export"))
    with pytest.raises(ProblemError):
        folder.open(row("around/secret"))
    assert len(os.listdir("/proc/self/fd")) == before
