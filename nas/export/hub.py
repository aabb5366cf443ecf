"""Uploading an exported folder to the Hugging Face hub."""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path
from typing import Any, Final, Protocol

import huggingface_hub
from huggingface_hub.errors import HfHubHTTPError

from nas.errors import ConfigError, TargetUnavailableError

_log = logging.getLogger(__name__)
_REPO_ID: Final = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
_MESSAGE: Final = "Sub-network exported by subnas"


class Hub(Protocol):
    """The part of `huggingface_hub.HfApi` that an upload needs."""

    def create_repo(self, repo_id: str, *, private: bool | None, exist_ok: bool) -> Any:
        """Make a repository of models; one that exists is left as it is."""

    def upload_folder(self, *, repo_id: str, folder_path: str | Path, commit_message: str) -> Any:
        """Commit all files of a folder."""


def check_upload(repo_id: str) -> None:
    """Refuse, before any work is done, what `push_to_hub` could not upload.

    Raises:
        ConfigError: not the name of a repository, offline mode, or no access token.
    """
    if _REPO_ID.fullmatch(repo_id) is None:
        raise ConfigError(f"cannot push to {repo_id!r}: that is no repository; write OWNER/NAME")
    if _is_offline():
        raise ConfigError(
            f"cannot push to {repo_id}: HF_HUB_OFFLINE is set; unset it, or export without pushing"
        )
    if huggingface_hub.get_token() is None:
        raise ConfigError(f"cannot push to {repo_id}: no access token; set HF_TOKEN, or run `hf auth login`")


def push_to_hub(folder: str | Path, repo_id: str, *, private: bool = False, hub: Hub | None = None) -> str:
    """Upload an exported folder as one commit and return its address.

    Args:
        folder: what `export_subnet` wrote.
        repo_id: OWNER/NAME; made if it is not there.
        private: of a repository that is made.
        hub: another than huggingface.co or `HF_ENDPOINT`.

    Raises:
        ConfigError: as `check_upload`.
        TargetUnavailableError: the hub refuses, or cannot be reached.
    """
    check_upload(repo_id)
    api: Hub = huggingface_hub.HfApi() if hub is None else hub
    try:
        # None keeps the visibility that the owner's account has by default.
        address = api.create_repo(repo_id, private=True if private else None, exist_ok=True)
        api.upload_folder(repo_id=repo_id, folder_path=folder, commit_message=_MESSAGE)
    except (HfHubHTTPError, OSError) as error:
        raise TargetUnavailableError(
            f"{folder} was not uploaded to {repo_id}: {str(error).strip().splitlines()[0]}; the folder is "
            "whole, so that only the upload must be repeated"
        ) from error
    _log.info("uploaded %s to %s", folder, repo_id)
    return str(address)


def _is_offline() -> bool:
    return huggingface_hub.is_offline_mode() or os.environ.get("HF_HUB_OFFLINE", "0") not in ("", "0")
