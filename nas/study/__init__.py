"""The study API: create, optimise, look at, select from and export."""

from nas.study.creation import create_study, delete_study, load_study
from nas.study.profile import Profile
from nas.study.study import Study
from nas.study.trial import Trial

__all__ = ["Profile", "Study", "Trial", "create_study", "delete_study", "load_study"]
