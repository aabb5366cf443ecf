from __future__ import annotations

import os
from pathlib import Path

import pytest

from storage import DatabaseUrlError, Ledger, UnreachableError
from storage.location import filesystem_of, is_network_filesystem, parsed_url

MOUNTS = r"""
/dev/vda / ext4 rw 0 0
server:/home /home nfs4 rw 0 0
/dev/vdb /home/local xfs rw 0 0
//nas/share /mnt/my\040share cifs rw 0 0
me@host: /mnt/remote fuse.sshfs rw 0 0
/dev/vdc /data ext4 rw 0 0
pool /data ceph rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "kind", "is_network"),
    [
        ("/var/nas.db", "ext4", False),
        ("/home/me/nas.db", "nfs4", True),
        ("/home/local/nas.db", "xfs", False),
        ("/homely/nas.db", "ext4", False),
        ("/mnt/my share/nas.db", "cifs", True),
        ("/mnt/remote/nas.db", "fuse.sshfs", True),
        ("/data/nas.db", "ceph", True),
    ],
)
def test_the_innermost_last_mount_holds_a_file(path: str, kind: str, is_network: bool) -> None:
    found = filesystem_of(Path(path), MOUNTS)
    assert (found, is_network_filesystem(found)) == (kind, is_network)


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3", "9p", "fuse.glusterfs"])
def test_a_database_on_a_network_file_system_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"/dev/vda / ext4 rw 0 0\nserver:/x {tmp_path.resolve()} {kind} rw 0 0\n")
    monkeypatch.setattr("storage.location._MOUNTS", mounts)
    with pytest.raises(DatabaseUrlError, match=f"'{kind}'.*PostgreSQL"):
        Ledger.open(f"sqlite:///{tmp_path / 'nas.db'}")
    assert not (tmp_path / "nas.db").exists()


def test_a_link_does_not_hide_a_network_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "remote").mkdir()
    (tmp_path / "link").symlink_to("remote")
    mounts = tmp_path / "mounts"
    mounts.write_text(f"/dev/vda / ext4 rw 0 0\nserver:/x {(tmp_path / 'remote').resolve()} nfs rw 0 0\n")
    monkeypatch.setattr("storage.location._MOUNTS", mounts)
    with pytest.raises(DatabaseUrlError, match="nfs"):
        Ledger.open(f"sqlite:///{tmp_path / 'link' / 'nas.db'}")


def test_where_there_is_no_list_of_mounts_a_file_is_taken_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.location._MOUNTS", tmp_path / "none")
    Ledger.open(f"sqlite:///{tmp_path / 'nas.db'}").close()


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreachableError, match=f"{tmp_path}/missing does not exist; create it"):
        Ledger.open(f"sqlite:///{tmp_path}/missing/nas.db")
    assert not (tmp_path / "missing").exists()


def test_a_folder_is_no_database(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUrlError, match="name a file in it"):
        Ledger.open(f"sqlite:///{tmp_path}")


def test_a_relative_file_lies_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Ledger.open("sqlite:///nas.db").close()
    assert os.listdir(tmp_path) == ["nas.db"]


@pytest.mark.parametrize(
    "url",
    ["", "nas.db", "sqlite://", "sqlite:///:memory:", "sqlite:///file:x?mode=memory&uri=true", "mysql://h/d"],
)
def test_a_url_that_keeps_no_studies_is_refused_with_those_that_do(url: str) -> None:
    with pytest.raises(DatabaseUrlError, match="sqlite:///FILE"):
        parsed_url(url)


def test_no_password_is_shown() -> None:
    with pytest.raises(DatabaseUrlError) as refused:
        parsed_url("mysql://me:secret@host/database")
    assert "secret" not in str(refused.value)
    with pytest.raises(DatabaseUrlError) as refused:
        parsed_url("postgresql://me:secret@host:port/database")
    assert "secret" not in str(refused.value)
