"""What a Ray cluster is like while it is used: its nodes, those about to go, and whether its head answers."""

from __future__ import annotations

import importlib
import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import ray

from workers.protocol import HeadLostError, PoolError

_LOGGER = logging.getLogger(__name__)
_POLL_S: Final = 1.0
_ANSWER_S: Final = 3.0
#: Ray ends the whole process, with no Python exception, when its head was silent for 60 s.
_HEAD_SILENCE_S: Final = 25.0
_MIN_SILENT_POLLS: Final = 3
_INTERNAL: Final = ("node:", "memory", "object_store_memory")

#: Settings of the head of a cluster, by which a silent node is noticed within about 10 s rather than 66.
HEALTH_CHECKS: Final[Mapping[str, int]] = {
    "health_check_initial_delay_ms": 1000,
    "health_check_period_ms": 1000,
    "health_check_timeout_ms": 2000,
    "health_check_failure_threshold": 3,
}


@dataclass(frozen=True, kw_only=True)
class Node:
    """A node that is alive.

    Attributes:
        identity: Ray's hexadecimal id.
        resources: all that it offers, in use or not, without Ray's internal ones.
    """

    identity: str
    address: str
    labels: Mapping[str, str] = field(default_factory=dict)
    resources: Mapping[str, float] = field(default_factory=dict)


class ClusterWatch:
    """Asks the head once a second, in a thread of its own, so that no call of a driver waits for a lost head.

    A drained node is remembered after its end, so that what was lost with it is known as preempted.
    """

    def __init__(self, head_silence_s: float = _HEAD_SILENCE_S) -> None:
        self._head_silence_s = head_silence_s
        self._client: Any = None
        self._thread = threading.Thread(target=self._watch, name="nas-cluster-watch", daemon=True)
        self._stop = threading.Event()
        self._nodes: tuple[Node, ...] = ()
        self._drains: dict[str, float] = {}
        self._silent_since: float | None = None
        self._silent_polls = 0

    def start(self) -> None:
        """Read the nodes once, then go on in the background.

        Raises:
            PoolError: the head does not answer.
        """
        raylet: Any = importlib.import_module("ray._raylet")  # the public calls have no time-out
        self._client = raylet.GcsClient(address=ray.get_runtime_context().gcs_address)
        try:
            self._read()
        except Exception as error:
            raise PoolError(f"the head of the Ray cluster does not answer: {error}") from error
        self._thread.start()

    def stop(self) -> None:
        """End the thread; a question that waits for its answer is given up."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The nodes that were alive a moment ago."""
        return self._nodes

    def is_draining(self, node_id: str | None) -> bool:
        """Whether a node is, or was, to go."""
        return node_id in self._drains

    def drain_deadline(self, node_id: str | None) -> float | None:
        """When, on the monotonic clock, a draining node goes, or None where that is not known."""
        deadline = self._drains.get(node_id or "")
        return None if deadline is None or deadline == float("inf") else deadline

    @property
    def is_head_silent(self) -> bool:
        """Whether the head did not answer the last question; some calls of Ray then wait for it for ever."""
        return self._silent_since is not None

    @property
    def is_head_lost(self) -> bool:
        """Whether the head has been silent for so long that Ray is about to end this process."""
        since = self._silent_since
        if since is None or self._silent_polls < _MIN_SILENT_POLLS:
            return False
        return time.monotonic() - since >= self._head_silence_s

    def check_head(self) -> None:
        """Raise when the head is lost.

        Raises:
            HeadLostError: it is.
        """
        if self.is_head_lost:
            raise HeadLostError(
                f"Ray head lost: it has not answered for {self._head_silence_s:g} s. Nothing that is stored "
                "is lost; start the search again when the cluster is back"
            )

    def _watch(self) -> None:
        while not self._stop.wait(_POLL_S):
            asked_at = time.monotonic()
            try:
                self._read()
            except Exception as error:  # noqa: BLE001  # Ray's errors have no common root here
                self._silent_polls += 1
                if self._silent_since is None:
                    self._silent_since = asked_at
                    _LOGGER.warning("the head of the Ray cluster does not answer: %s", error)
                continue
            self._silent_since, self._silent_polls = None, 0

    def _read(self) -> None:
        self._nodes = tuple(
            Node(
                identity=identity.hex(),
                address=info.node_manager_address,
                labels=dict(info.labels),
                resources={n: a for n, a in info.resources_total.items() if not n.startswith(_INTERNAL)},
            )
            for identity, info in self._client.get_all_node_info(timeout=_ANSWER_S).items()
            if info.state == 0  # GcsNodeInfo.ALIVE
        )
        for identity, deadline_ms in self._client.get_draining_nodes(timeout=_ANSWER_S).items():
            if identity not in self._drains:
                _LOGGER.warning("node %s is drained", identity)
            left_s = deadline_ms / 1000 - time.time()
            self._drains[identity] = time.monotonic() + left_s if deadline_ms else float("inf")


def can_grow() -> bool:
    """Whether an autoscaler may add nodes; it says so through the head (KubeRay, autoscaler version 2)."""
    state: Any = importlib.import_module("ray._private.state")
    config = state.state.get_cluster_config()
    return config is not None and any(group.max_count != 0 for group in config.node_group_configs)
