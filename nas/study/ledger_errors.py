"""Errors of storage and workers in the words of this package."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import storage
from nas.errors import ConfigError, NasError, StorageError, StudyNotFoundError, TargetUnavailableError
from search_spaces import SpaceError
from workers import PlacementError, PoolError


@contextmanager
def translated() -> Iterator[None]:
    """Raise what storage, workers and search spaces raise as the `NasError` that users catch."""
    try:
        yield
    except NasError:
        raise
    except storage.UnknownStudyError as error:
        raise StudyNotFoundError(str(error)) from error
    except (
        storage.DatabaseUrlError,
        storage.StudyExistsError,
        storage.TrialStateError,
        storage.UnknownTrialError,
    ) as error:
        raise ConfigError(str(error)) from error
    except storage.StorageFault as error:
        raise StorageError(str(error)) from error
    except PlacementError as error:
        raise ConfigError(str(error)) from error
    except PoolError as error:
        raise TargetUnavailableError(str(error)) from error
    except SpaceError as error:
        raise ConfigError(str(error)) from error
