"""Large files by the hash of their content, in a folder or at any URL that fsspec knows."""

from __future__ import annotations

from nas.artifacts.manifest import Artifact
from nas.artifacts.store import ArtifactStore, has_other_files
from nas.artifacts.sweeping import SweepReport
from nas.artifacts.verification import VerifyReport

__all__ = ["Artifact", "ArtifactStore", "SweepReport", "VerifyReport", "has_other_files"]
