"""Writing models as files of other runtimes, with batches and lengths left open."""

from nas.conversion.forward import WRITERS, write_forward
from nas.conversion.generation import write_generation
from nas.conversion.settings import PACKAGES, Runtime, file_of, missing_packages, reason_of

__all__ = [
    "PACKAGES",
    "WRITERS",
    "Runtime",
    "file_of",
    "missing_packages",
    "reason_of",
    "write_forward",
    "write_generation",
]
