"""What is told of this machine to whoever asks over the network: neither its folders nor a password."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from nas.config.models import mask_password

#: The folders of an absolute path: what they are called is nobody's business but the operator's.
_FOLDERS: Final = re.compile(r"(?<![\w.:/…*-])/(?:[^\s/'\"`,;:()<>|]+/)+")
#: Keys of events that name a machine and its processes.
_HIDDEN: Final = frozenset({"owner", "log", "folder"})


def redacted(text: str) -> str:
    """A text without passwords of URLs, and with … in place of the folders of absolute paths."""
    return _FOLDERS.sub("…/", mask_password(text))


def redacted_payload(value: Any) -> Any:
    """The same for every text within JSON; keys that name machines are left out."""
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, Mapping):
        return {key: redacted_payload(own) for key, own in value.items() if key not in _HIDDEN}
    if isinstance(value, list | tuple):
        return [redacted_payload(own) for own in value]
    return value
