"""Clients in a process of their own, on bare sockets, so that they take little of the processors under test.

`python -m benchmarks.load.clients PLAN`, the plan being JSON, reads the token from standard input and prints
one line of JSON: for each request its kind, status, seconds since it was due, and when that was.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from dataclasses import dataclass

from benchmarks.load.mix import Asked, next_request

#: Status of a request whose connection broke.
BROKEN = 0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What the clients do.

    Attributes:
        rate: requests a second of all clients together; 0 asks again as soon as an answer is there.
    """

    port: int
    study: str
    clients: int
    seconds: float
    rate: float
    seed: int = 0


class Client:
    """One connection that is kept open, and opened again when it broke."""

    def __init__(self, plan: Plan, token: str, number: int) -> None:
        self._plan, self._choice = plan, random.Random(f"{plan.seed} {number}")
        self._head = f"Host: 127.0.0.1:{plan.port}\r\nAuthorization: Bearer {token}\r\n"
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.results: list[tuple[str, int, float, float]] = []

    async def run(self, began: float, first_s: float) -> None:
        """Ask until the time is over."""
        plan = self._plan
        gap_s = plan.clients / plan.rate if plan.rate else 0.0
        due = began + first_s
        while due < began + plan.seconds:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            asked = next_request(plan.study, self._choice)
            status = await self._answer(asked)
            now = time.perf_counter()
            self.results.append((asked.kind, status, now - due, due - began))
            due = due + gap_s if gap_s else now
        if self._streams is not None:
            self._streams[1].close()

    async def _answer(self, asked: Asked) -> int:
        try:
            if self._streams is None:
                self._streams = await asyncio.open_connection("127.0.0.1", self._plan.port)
            reader, writer = self._streams
            writer.write(self._request(asked))
            head = await reader.readuntil(b"\r\n\r\n")
            await _read_body(reader, head)
        except (OSError, asyncio.IncompleteReadError):
            self._streams = None
            return BROKEN
        if b"connection: close" in head.lower():
            writer.close()
            self._streams = None
        return int(head[9:12])

    def _request(self, asked: Asked) -> bytes:
        head = f"{asked.method} {asked.path} HTTP/1.1\r\n{self._head}"
        if asked.body:
            head += f"Content-Type: application/json\r\nContent-Length: {len(asked.body)}\r\n"
        return f"{head}\r\n".encode() + asked.body


async def _read_body(reader: asyncio.StreamReader, head: bytes) -> None:
    for line in head.lower().split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name == b"content-length":
            await reader.readexactly(int(value))
            return
        if name == b"transfer-encoding":
            while size := int(await reader.readline(), 16):
                await reader.readexactly(size + 2)
            await reader.readline()
            return


async def run_clients(plan: Plan, token: str) -> list[tuple[str, int, float, float]]:
    """Results of all of them, in no order."""
    clients = [Client(plan, token, number) for number in range(plan.clients)]
    began = time.perf_counter()
    gap_s = 1.0 / plan.rate if plan.rate else 0.0
    await asyncio.gather(*(client.run(began, number * gap_s) for number, client in enumerate(clients)))
    return [result for client in clients for result in client.results]


def main() -> None:
    """Run the plan of the command line."""
    plan = Plan(**json.loads(sys.argv[1]))
    token = sys.stdin.readline().strip()
    print(json.dumps(asyncio.run(run_clients(plan, token))))


if __name__ == "__main__":
    main()
