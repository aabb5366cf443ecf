from __future__ import annotations

from pathlib import Path

import pytest

from nas.errors import ConfigError, TargetUnavailableError
from nas.export import push_to_hub


class RecordingHub:
    """A hub that keeps what it is asked for, in place of the network."""

    def __init__(self, error: Exception | None = None) -> None:
        self.calls: list[tuple[str, dict[str, object]]] = []
        self._error = error

    def create_repo(self, repo_id: str, **options: object) -> str:
        self.calls.append(("create", {"repo_id": repo_id, **options}))
        return f"https://hub.example/{repo_id}"

    def upload_folder(self, **options: object) -> None:
        self.calls.append(("upload", options))
        if self._error is not None:
            raise self._error


@pytest.fixture
def online(monkeypatch):
    """Signed in to a hub that can be reached."""
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_TOKEN", "hf_of_a_test")


@pytest.mark.usefixtures("online")
def test_a_folder_is_uploaded_as_one_commit_to_a_repository_that_may_exist(tmp_path):
    hub = RecordingHub()
    assert (
        push_to_hub(tmp_path, "someone/small", private=True, hub=hub) == "https://hub.example/someone/small"
    )
    (_, created), (_, uploaded) = hub.calls
    assert created == {"repo_id": "someone/small", "private": True, "exist_ok": True}
    assert (uploaded["repo_id"], Path(str(uploaded["folder_path"]))) == ("someone/small", tmp_path)


@pytest.mark.usefixtures("online")
def test_a_repository_keeps_the_accounts_visibility_unless_it_is_to_be_private(tmp_path):
    hub = RecordingHub()
    push_to_hub(tmp_path, "someone/small", hub=hub)
    assert hub.calls[0][1]["private"] is None


@pytest.mark.usefixtures("online")
@pytest.mark.parametrize("name", ["small", "a/b/c", "../x", "https://hub.example/a/b", "a b/c", "a/"])
def test_what_names_no_repository_is_refused(tmp_path, name):
    hub = RecordingHub()
    with pytest.raises(ConfigError, match="write OWNER/NAME"):
        push_to_hub(tmp_path, name, hub=hub)
    assert hub.calls == []


@pytest.mark.usefixtures("online")
def test_offline_mode_is_respected(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    hub = RecordingHub()
    with pytest.raises(ConfigError, match="HF_HUB_OFFLINE is set"):
        push_to_hub(tmp_path, "someone/small", hub=hub)
    assert hub.calls == []


@pytest.mark.usefixtures("online")
def test_without_a_token_nothing_is_tried(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    hub = RecordingHub()
    with pytest.raises(ConfigError, match="set HF_TOKEN"):
        push_to_hub(tmp_path, "someone/small", hub=hub)
    assert hub.calls == []


@pytest.mark.usefixtures("online")
def test_a_hub_that_fails_is_an_unreachable_service(tmp_path):
    hub = RecordingHub(ConnectionError("no route to host"))
    with pytest.raises(TargetUnavailableError, match="no route to host; the folder is whole"):
        push_to_hub(tmp_path, "someone/small", hub=hub)
