"""Pages that were drawn a moment ago: those of studies that have not changed since are sent again."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

#: A page of a study of 20,000 trials has a third of a megabyte.
MOST_PAGES = 64


class PageMemory:
    """Bodies of pages by all that they show; threads may share it."""

    def __init__(self, most: int = MOST_PAGES) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._bodies: OrderedDict[Hashable, bytes] = OrderedDict()

    def body(self, key: Hashable, draw: Callable[[], bytes]) -> bytes:
        """The page of a key, drawn if it is not there.

        Args:
            key: changes with everything that the page shows, and with who may see it.
            draw: makes the page.
        """
        with self._lock:
            found = self._bodies.get(key)
            if found is not None:
                self._bodies.move_to_end(key)
                return found
        drawn = draw()
        with self._lock:
            self._bodies[key] = drawn
            while len(self._bodies) > self._most:
                self._bodies.popitem(last=False)
        return drawn
