"""Several nodes on this machine: where workers go, and what the loss of a node costs."""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from workers import Completion, FileRegion, FileStamp, Lane, PoolError, RayPool, Task

pytestmark = [pytest.mark.slow, pytest.mark.alone]

_LOGGER = logging.getLogger(__name__)
STORE_BYTES = 100 * 2**20
NETWORK = "10.213.77"
MakeNode = Callable[..., Any]
MakePool = Callable[..., RayPool]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head without processors, a node with two, and one with two and a GPU that is only counted."""
    from ray.cluster_utils import Cluster

    from workers import ray_authentication
    from workers.ray_cluster import HEALTH_CHECKS

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "token")
        patch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        ray_authentication.refresh()
        made = Cluster(shutdown_at_exit=True)
        try:
            made.add_node(
                num_cpus=0,
                object_store_memory=STORE_BYTES,
                include_dashboard=False,
                _system_config=dict(HEALTH_CHECKS),
            )
            made.add_node(
                num_cpus=2, object_store_memory=STORE_BYTES, labels={"zone": "a"}, resources={"steady": 1}
            )
            made.add_node(num_cpus=2, num_gpus=1, object_store_memory=STORE_BYTES, labels={"zone": "b"})
            yield made
        finally:
            made.shutdown()
    ray_authentication.refresh()


@pytest.fixture
def add_node(cluster: Any) -> Iterator[MakeNode]:
    nodes: list[Any] = []

    def add(**options: Any) -> Any:
        nodes.append(cluster.add_node(object_store_memory=STORE_BYTES, **options))
        return nodes[-1]

    yield add
    for node in nodes:
        with suppress(ProcessLookupError):
            os.kill(raylet_of(node), signal.SIGKILL)
        cluster.remove_node(node, allow_graceful=False)


@pytest.fixture
def start(cluster: Any) -> Iterator[MakePool]:
    pools: list[RayPool] = []

    def start_pool(lane: Lane, arrays: Mapping[str, Any] | None = None, **options: Any) -> RayPool:
        pools.append(RayPool(address=cluster.address, **options))
        pools[-1].start({"quality": lane}, arrays or {})
        return pools[-1]

    yield start_pool
    for pool in pools:
        pool.close()


def lane_of(function: Callable[..., object], **options: Any) -> Lane:
    return Lane(factory=lambda arrays: function, num_workers=options.pop("num_workers", 1), **options)


def drain(pool: RayPool) -> list[Completion]:
    completions: list[Completion] = []
    while pool.in_flight:
        completions += pool.wait(5)
    return completions


def run(pool: RayPool, *payloads: Any) -> list[Any]:
    for number, payload in enumerate(payloads):
        pool.submit(Task(number=number, payload=payload, lane="quality"))
    return [completion.result for completion in drain(pool)]


def wait_for_workers(pool: RayPool, number: int) -> None:
    import ray

    def told() -> str:
        return f"{pool.worker_ids()} of {number} workers; free: {ray.available_resources()}; {ray.nodes()}"

    wait_until(lambda: not pool.wait(0.1) and len(pool.worker_ids()) == number, limit_s=120, told=told)


def wait_until(
    condition: Callable[[], bool], limit_s: float = 60, told: Callable[[], str] = lambda: ""
) -> None:
    give_up = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < give_up, f"not true after {limit_s} s {told()}"
        time.sleep(0.02)


def raylet_of(node: Any) -> int:
    return int(node.all_processes["raylet"][0].process.pid)


def own_node() -> str:
    import ray

    return str(ray.get_runtime_context().get_node_id())


class HoldOn:
    """Holds the first attempt on a node for some time; says on which node it ended."""

    def __init__(self, node: str, folder: Path, seconds: float = 3600) -> None:
        self.node, self.folder, self.seconds = node, folder, seconds

    def __call__(self, payload: object) -> str:
        if own_node() == self.node:
            (self.folder / "held").write_text(str(os.getpid()))
            time.sleep(self.seconds)
        return own_node()

    def wait(self) -> int:
        """Wait until an attempt is held; its process."""
        wait_until(lambda: (self.folder / "held").exists() and bool((self.folder / "held").read_text()))
        return int((self.folder / "held").read_text())


# Where workers go


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (
            {"labels": {"zone": "c"}},
            r"labels zone=c, and no node has them.* offers CPU=2, GPU=1 with labels zone=b",
        ),
        ({"threads": 3}, "needs CPU=3 on one node"),
        ({"resources": {"fpga": 1.0}}, "needs CPU=1, fpga=1 on one node"),
        ({"gpus": 2}, "needs CPU=1, GPU=2 on one node"),
        ({"gpus": 1, "labels": {"zone": "a"}}, "needs CPU=1, GPU=1 on one node with labels zone=a"),
    ],
)
def test_what_no_node_can_take_is_told_at_once(start: MakePool, options: dict[str, Any], told: str) -> None:
    with pytest.raises(PoolError, match=told):
        start(lane_of(lambda payload: payload, **options), startup_timeout_s=3600)


def test_workers_run_on_the_labelled_node_and_two_with_half_a_gpu_share_one(start: MakePool) -> None:
    def see(payload: object) -> tuple[str, str, int]:
        import ray

        time.sleep(0.5)
        zone = ray.get_runtime_context().get_node_labels()["zone"]
        return zone, os.environ["CUDA_VISIBLE_DEVICES"], os.getpid()

    pool = start(lane_of(see, num_workers=2, gpus=0.5, labels={"zone": "b"}))
    wait_for_workers(pool, 2)
    results = run(pool, None, None)
    assert {result[:2] for result in results} == {("b", "0")}
    assert len({result[2] for result in results}) == 2


def test_a_node_has_one_copy_of_the_arrays_for_all_its_workers(start: MakePool) -> None:
    def factory(arrays: Mapping[str, np.ndarray]) -> Callable[[object], tuple[str, int, str, int]]:
        def place(payload: object) -> tuple[str, int, str, int]:
            time.sleep(0.5)
            address = arrays["weights"].ctypes.data
            for line in Path("/proc/self/maps").read_text().splitlines():
                low, high = (int(bound, 16) for bound in line.split()[0].split("-"))
                if low <= address < high:
                    _, permissions, offset, _, inode = line.split()[:5]
                    assert permissions[3] == "s", "a private copy"
                    return own_node(), os.getpid(), inode, int(offset, 16) + address - low
            raise AssertionError("not mapped")

        return place

    pool = start(Lane(factory=factory, num_workers=4), {"weights": np.ones(2**20)})
    wait_for_workers(pool, 4)
    places = run(pool, *range(4))
    assert len({(node, pid) for node, pid, _, _ in places}) == 4
    assert len({node for node, *_ in places}) == 2
    assert len({(node, inode, offset) for node, _, inode, offset in places}) == 2
    assert len({inode for _, _, inode, _ in places}) == 2


def test_workers_map_a_file_that_they_see_and_get_its_content_when_they_do_not(
    start: MakePool, tmp_path: Path
) -> None:
    path = tmp_path / "weights.bin"
    np.arange(1000.0).tofile(path)
    region = FileRegion(
        path=str(path), stamp=FileStamp.of(str(path)), offset=0, shape=(1000,), dtype="float64"
    )

    def factory(arrays: Mapping[str, np.ndarray]) -> Callable[[bool], tuple[float, bool]]:
        def look(is_last: bool) -> tuple[float, bool]:
            if is_last:
                os._exit(1)
            return float(arrays["w"].sum()), "weights.bin" in Path("/proc/self/maps").read_text()

        return look

    pool = start(Lane(factory=factory, num_workers=1), {"w": region}, max_attempts=1)
    assert run(pool, False) == [(499500.0, True)]
    path.unlink()
    assert run(pool, True) == [None]
    assert run(pool, False) == [(499500.0, False)]


# Nodes that come


def test_a_pool_begins_with_the_first_worker_and_uses_a_node_that_joins_later(
    start: MakePool, add_node: MakeNode
) -> None:
    pool = start(lane_of(lambda payload: payload, num_workers=2, resources={"steady": 1.0}))
    assert (len(pool.worker_ids()), pool.free("quality")) == (1, 1)
    add_node(num_cpus=1, resources={"steady": 1})
    wait_for_workers(pool, 2)
    assert pool.free("quality") == 2


def test_a_lane_that_lost_its_only_node_waits_for_another(
    start: MakePool, add_node: MakeNode, tmp_path: Path
) -> None:
    node = add_node(num_cpus=1, resources={"rare": 1})
    hold = HoldOn(node.node_id, tmp_path)
    pool = start(lane_of(hold, resources={"rare": 1.0}))
    pool.submit(Task(number=0, payload=None, lane="quality"))
    hold.wait()
    os.kill(raylet_of(node), signal.SIGKILL)
    wait_until(lambda: bool(pool.wait(1)))
    assert (pool.worker_ids(), pool.free("quality"), pool.in_flight) == ([], 0, 1)
    other = add_node(num_cpus=1, resources={"rare": 1})
    assert [(c.attempt, c.result) for c in drain(pool)] == [(2, other.node_id)]


def test_a_lane_that_stays_without_workers_ends_the_pool(
    start: MakePool, add_node: MakeNode, tmp_path: Path
) -> None:
    node = add_node(num_cpus=1, resources={"rare": 1})
    hold = HoldOn(node.node_id, tmp_path)
    pool = start(lane_of(hold, resources={"rare": 1.0}), startup_timeout_s=30)
    pool._crew._startup_timeout_s = 2  # type: ignore[union-attr]  # the start itself may take long here
    pool.submit(Task(number=0, payload=None, lane="quality"))
    hold.wait()
    os.kill(raylet_of(node), signal.SIGKILL)
    with pytest.raises(PoolError, match=r"lane 'quality' had no worker for 2 s.*'rare': 1"):
        drain(pool)


# Nodes that go


@pytest.mark.parametrize("fault", [signal.SIGKILL, signal.SIGSTOP])
def test_what_a_lost_node_evaluated_runs_again_on_another(
    start: MakePool, add_node: MakeNode, tmp_path: Path, fault: signal.Signals
) -> None:
    node = add_node(num_cpus=1, resources={"steady": 1})
    hold = HoldOn(node.node_id, tmp_path)
    pool = start(lane_of(hold, num_workers=2, resources={"steady": 1.0}))
    assert_only_the_attempt_on_it_is_lost(
        pool, hold, lambda: os.kill(raylet_of(node), fault), f"a node by {fault.name}"
    )


def test_what_a_node_that_was_cut_off_evaluated_runs_again_on_another(
    start: MakePool, namespace: tuple[str, str], tmp_path: Path
) -> None:
    node, link = namespace
    hold = HoldOn(node, tmp_path)
    pool = start(lane_of(hold, num_workers=2, resources={"steady": 1.0}))
    cut = ["ip", "link", "set", link, "down"]
    assert_only_the_attempt_on_it_is_lost(
        pool, hold, lambda: subprocess.run(cut, check=True), "a node by its network"
    )


def assert_only_the_attempt_on_it_is_lost(
    pool: RayPool, hold: HoldOn, inject: Callable[[], object], name: str
) -> None:
    wait_for_workers(pool, 2)
    for number in range(3):
        pool.submit(Task(number=number, payload=None, lane="quality"))
    hold.wait()
    inject()
    injected_at = time.monotonic()
    completions: list[Completion] = []
    while not any(c.failure for c in completions):
        completions += pool.wait(5)
    _LOGGER.info("%s: evaluation lost after %.1f s", name, time.monotonic() - injected_at)
    completions += drain(pool)
    (lost,) = [c for c in completions if c.failure is not None]
    assert lost.failure is not None
    assert (lost.failure.reason, lost.attempt, lost.retrying) == ("worker_lost", 1, True)
    finished = {c.task.number: c.attempt for c in completions if c.failure is None}
    assert finished == {number: 1 + (number == lost.task.number) for number in range(3)}
    assert hold.node not in {c.result for c in completions}


@pytest.fixture
def namespace(cluster: Any, start: MakePool, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """A node in a network of its own, and the link to it."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("cutting a node off needs root and the command ip of iproute2")
    name, link = f"nas{os.getpid()}", f"nas{os.getpid() % 100000}"
    commands = f"""netns add {name}
link add {link} type veth peer name {link}p
link set {link}p netns {name}
addr add {NETWORK}.1/24 dev {link}
link set {link} up
-n {name} addr add {NETWORK}.2/24 dev {link}p
-n {name} link set {link}p up
-n {name} link set lo up
-n {name} route add default via {NETWORK}.1"""
    process = None
    try:
        for command in commands.splitlines():
            try:
                subprocess.run(["ip", *command.split()], check=True, capture_output=True)
            except subprocess.CalledProcessError as error:
                pytest.skip(f"no network namespace can be made here: {error.stderr.decode().strip()}")
        process = start_in(name, cluster.address, tmp_path / "node.log")
        yield node_at(cluster, f"{NETWORK}.2"), link
    finally:
        if process is not None:
            for child in [*psutil.Process(process.pid).children(recursive=True), process]:
                with suppress(psutil.NoSuchProcess):
                    child.kill()
            process.wait()
        subprocess.run(["ip", "link", "del", link], check=False, capture_output=True)
        subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


def start_in(name: str, address: str, log: Path) -> subprocess.Popen[bytes]:
    ray = [sys.executable, "-c", "from ray.scripts.scripts import main; main()"]
    options = f"start --address {address} --node-ip-address {NETWORK}.2 --num-cpus 1 --block"
    options += f" --object-store-memory {STORE_BYTES}"
    command = ["ip", "netns", "exec", name, *ray, *options.split(), "--resources", '{"steady": 1}']
    with log.open("wb") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=stream)
    try:
        wait_until(lambda: process.poll() is not None or "Ray runtime started" in log.read_text(), limit_s=90)
        assert process.poll() is None, log.read_text()
    except BaseException:
        process.kill()
        raise
    return process


def node_at(cluster: Any, address: str) -> str:
    return next(
        str(node["NodeID"])
        for node in cluster.global_state.node_table()
        if node["NodeManagerAddress"] == address and node["Alive"]
    )


# Nodes that are to go


def announce_end(cluster: Any, node: Any, seconds: float) -> None:
    from ray._raylet import GcsClient
    from ray.core.generated.autoscaler_pb2 import DRAIN_NODE_REASON_PREEMPTION

    client = GcsClient(address=cluster.address)
    deadline_ms = int((time.time() + seconds) * 1000)
    accepted, why = client.drain_node(node.node_id, DRAIN_NODE_REASON_PREEMPTION, "spot", deadline_ms)
    assert accepted, why


def test_an_attempt_on_a_preempted_node_ends_there_if_it_is_in_time_and_the_next_runs_elsewhere(
    cluster: Any, start: MakePool, add_node: MakeNode, tmp_path: Path
) -> None:
    node = add_node(num_cpus=1, resources={"rare": 1})
    hold = HoldOn(node.node_id, tmp_path, seconds=4)
    pool = start(lane_of(hold, resources={"rare": 1.0}), max_attempts=1)
    other = add_node(num_cpus=1, resources={"rare": 1})
    pool.submit(Task(number=0, payload=None, lane="quality"))
    hold.wait()
    announce_end(cluster, node, seconds=60)
    pool.submit(Task(number=1, payload=None, lane="quality"))
    results = {c.task.number: (c.attempt, c.result) for c in drain(pool)}
    assert results == {0: (1, node.node_id), 1: (1, other.node_id)}


def test_an_attempt_that_a_preempted_node_does_not_end_runs_elsewhere_and_is_not_counted(
    cluster: Any, start: MakePool, add_node: MakeNode, tmp_path: Path
) -> None:
    node = add_node(num_cpus=1, resources={"rare": 1})
    hold = HoldOn(node.node_id, tmp_path)
    pool = start(lane_of(hold, resources={"rare": 1.0}), max_attempts=1)
    other = add_node(num_cpus=1, resources={"rare": 1})
    pool.submit(Task(number=0, payload=None, lane="quality"))
    hold.wait()
    announce_end(cluster, node, seconds=2)
    completions = drain(pool)
    assert [(c.attempt, c.retrying, c.result) for c in completions] == [
        (1, True, None),
        (2, False, other.node_id),
    ]


# Late results


def cut_connections(pid: int) -> int:
    """Break this process's connections to a worker, as a network does that drops them."""
    listening = {c.laddr.port for c in psutil.Process(pid).net_connections("tcp") if c.status == "LISTEN"}
    ours = [
        c.fd
        for c in psutil.Process().net_connections("tcp")
        if c.raddr and c.raddr.port in listening and c.fd >= 0
    ]
    for descriptor in ours:
        with socket.socket(fileno=os.dup(descriptor)) as connection:
            connection.shutdown(socket.SHUT_RDWR)
    return len(ours)


@pytest.mark.parametrize("held_s", [3.0, 3600.0])
def test_the_first_result_of_an_unreachable_worker_and_of_the_attempt_after_it_is_the_only_one(
    start: MakePool, add_node: MakeNode, tmp_path: Path, held_s: float
) -> None:
    def evaluate(number: int) -> tuple[str, int]:
        first = tmp_path / f"first-{number}"
        if not first.exists():
            first.write_text(str(os.getpid()))
            time.sleep(held_s)
            return "first", os.getpid()
        if held_s < 60:
            time.sleep(60)
        return "second", os.getpid()

    add_node(num_cpus=2, resources={"rare": 2})  # of its own: none that other faults were put into
    pool = start(lane_of(evaluate, num_workers=2, resources={"rare": 1.0}))
    wait_for_workers(pool, 2)
    pool.submit(Task(number=0, payload=0, lane="quality"))
    wait_until(lambda: (tmp_path / "first-0").exists() and bool((tmp_path / "first-0").read_text()))
    victim = int((tmp_path / "first-0").read_text())
    assert cut_connections(victim)
    lost, last = drain(pool)
    assert (lost.attempt, lost.result, lost.retrying) == (1, None, True)
    expected = ("first", 1) if held_s < 60 else ("second", 2)
    assert last.result is not None
    assert (last.result[0], last.attempt, last.retrying) == (*expected, False)
    assert pool.in_flight == 0
    wait_until(lambda: not psutil.pid_exists(victim))
    assert pool.wait(1) == []
