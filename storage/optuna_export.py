"""A study as one of Optuna's own databases, which its dashboard and tools read."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import optuna
from optuna.exceptions import DuplicatedStudyError, ExperimentalWarning, StorageInternalError
from optuna.storages import RDBStorage
from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from . import failures
from .errors import DatabaseUrlError, StorageFault, StudyExistsError, UnreachableError
from .location import check_file, parsed_url, shown

#: Attribute of an exported study that is written last: without it the export was interrupted.
COMPLETE: Final = "nas:exported_trials"


class OptunaStudyExistsError(StudyExistsError):
    """The database has an Optuna study of that name already."""

    def __init__(self, name: str, url: str) -> None:
        super().__init__(name)
        self.args = (name, url)

    def __str__(self) -> str:
        name, url = self.args
        return f"{url} has an Optuna study {name!r} already: choose another name, or overwrite it"


def export_to_optuna(
    url: str,
    source: optuna.Study,
    *,
    name: str,
    attributes: Mapping[str, Any] | None = None,
    is_overwritten: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Writes a study, under its trials' own numbers, into tables that Optuna makes if they are not there.

    They may lie in the database of the ledger: names of tables differ.

    Args:
        url: such as "sqlite:///optuna.db" or "postgresql://user@host/database".
        source: with all trials.
        name: of the new study.
        attributes: JSON-ready facts about the study.
        is_overwritten: delete a study of that name first instead of refusing it.
        progress: told the trials done and their total.

    Returns:
        Number of trials.

    Raises:
        DatabaseUrlError: the URL is wrong, or names a file on a network file system.
        OptunaStudyExistsError: the name is taken; nothing was written.
        UnreachableError: the database did not answer, or its Optuna tables are of another version.
    """
    parsed = parsed_url(url)
    if parsed.get_backend_name() == "sqlite":
        check_file(parsed)
    trials = source.get_trials(deepcopy=False)
    with _explained(parsed), _opened(parsed) as storage:
        target = _created(storage, source, name, shown(parsed), is_overwritten=is_overwritten)
        try:
            for key, value in {**source.user_attrs, **(attributes or {})}.items():
                target.set_user_attr(key, value)
            for done, trial in enumerate(trials, start=1):
                target.add_trial(trial)
                if progress is not None:
                    progress(done, len(trials))
            target.set_user_attr(COMPLETE, len(trials))
        except BaseException:
            optuna.delete_study(study_name=name, storage=storage)
            raise
    return len(trials)


def _created(
    storage: RDBStorage, source: optuna.Study, name: str, url: str, *, is_overwritten: bool
) -> optuna.Study:
    if is_overwritten and name in optuna.get_all_study_names(storage):
        optuna.delete_study(study_name=name, storage=storage)
    try:
        study = optuna.create_study(study_name=name, storage=storage, directions=source.directions)
    except DuplicatedStudyError as error:
        raise OptunaStudyExistsError(name, url) from error
    if source.metric_names is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            study.set_metric_names(source.metric_names)
    return study


@contextmanager
def _opened(url: URL) -> Iterator[RDBStorage]:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    plain = url.render_as_string(hide_password=False)
    # Optuna fills braces in, also those of a password.
    storage = RDBStorage(plain.replace("{", "{{").replace("}", "}}"))
    try:
        yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()


@contextmanager
def _explained(url: URL) -> Iterator[None]:
    """Raise what Optuna and SQLAlchemy raise in the words of this package."""
    try:
        yield
    except StorageFault:
        raise
    except ImportError as error:
        raise DatabaseUrlError(
            shown(url), f"its driver is missing ({error}); pip install 'subnas[postgres]'"
        ) from error
    except (StorageInternalError, SQLAlchemyError) as error:
        cause = error if isinstance(error, SQLAlchemyError) else error.__cause__
        told = failures.translated(cause, shown(url)) if isinstance(cause, DBAPIError) else None
        raise told or UnreachableError(shown(url), str(cause or error)) from error
    except RuntimeError as error:
        if "table schema" not in str(error):
            raise
        raise UnreachableError(shown(url), str(error)) from error
