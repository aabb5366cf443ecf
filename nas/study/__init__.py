"""The study API: create, optimise, look at, select from and export."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nas._lazy import lazy

if TYPE_CHECKING:
    from nas.study.creation import create_study, delete_study, load_study
    from nas.study.profile import Profile
    from nas.study.recovery import Recovery, RecoveryReport
    from nas.study.study import Study
    from nas.study.trial import Trial

_MODULES = {
    "nas.study.creation": ("create_study", "delete_study", "load_study"),
    "nas.study.profile": ("Profile",),
    "nas.study.recovery": ("Recovery", "RecoveryReport"),
    "nas.study.study": ("Study",),
    "nas.study.trial": ("Trial",),
}

__all__ = [
    "Profile",
    "Recovery",
    "RecoveryReport",
    "Study",
    "Trial",
    "create_study",
    "delete_study",
    "load_study",
]

if not TYPE_CHECKING:
    __getattr__ = lazy(__name__, _MODULES)
