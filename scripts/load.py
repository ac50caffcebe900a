"""Clients that a server has to bear with, and one that asks meanwhile: for load.sh.

Usage: load.py readers|idle|slow HOST:PORT COUNT   opens connections, prints that it has, holds them until its input ends;
                                                   every other one of the readers follows the states, the others the feed
       load.py ask HOST:PORT COUNT                 asks that often, on a connection each, and prints how long it took
       load.py bad HOST:PORT                       sends what is no proper request, and what is one
Exit status: 0 it went as it should; 1 it did not.
"""

import asyncio
import json
import sys
import time

LINE_BYTES_MAX = 1 << 20
# How many connections are being opened at a time.
OPENING_MAX = 500
BAD = [
    ("a header of 20 KiB", b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 20_480 + b"\r\n\r\n", 431),
    ("200 headers", b"GET /healthz HTTP/1.1\r\nHost: a\r\n" + b"X: a\r\n" * 200 + b"\r\n", 431),
    ("a body of 1 MiB", b"GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 1048576\r\n\r\n", 413),
    ("a body without end", b"GET /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 413),
    ("no HTTP", b"HELLO\r\n\r\n", 400),
    ("a handshake of TLS", bytes.fromhex("16030100c8010000c40303") + b"\r\n\r\n", 400),
    ("two lengths", b"GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
    ("a good request", b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 200),
]


class Server:
    def __init__(self, address: str) -> None:
        self.host, port = address.rsplit(":", 1)
        self.port = int(port)
        self.opening = asyncio.Semaphore(OPENING_MAX)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        async with self.opening:
            return await asyncio.open_connection(self.host, self.port, limit=LINE_BYTES_MAX)

    async def send(self, request: bytes) -> tuple[int, bytes]:
        """Sends a request on a connection of its own, and returns the status and body of the answer."""
        reader, writer = await self.connect()
        writer.write(request)
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
        sizes = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
        body = await reader.readexactly(int(sizes[0].split(b":")[1]) if sizes else 0)
        writer.close()
        return int(head.split(b" ")[1]), body

    async def get(self, path: str) -> bytes:
        status, body = await self.send(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        if status != 200:
            raise RuntimeError(f"{path} is answered with {status}")
        return body


async def hold(server: Server, kind: str, count: int) -> bool:
    """Opens `count` connections, and holds them."""
    closed = 0
    wanted, cursor, is_end = [], 0, False
    while kind == "readers" and not is_end:
        page = json.loads(await server.get(f"/v1/feed?limit=1000&after={cursor}"))
        wanted += [fact["cursor"] for fact in page["facts"]]
        cursor, is_end = page["cursor"], page["is_end"]

    async def one(number: int, is_open: asyncio.Future) -> None:
        nonlocal closed
        reader, writer = await server.connect()
        try:
            if kind == "readers" and number % 2:
                writer.write(b"GET /v1/changes HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n")
                while not (line := await reader.readuntil(b"\n")).startswith(b"data: "):
                    pass
                if json.loads(line[6:])["at"]["feed"]["cursor"] != cursor:
                    raise RuntimeError(f"a reader was told {line}")
            elif kind == "readers":
                writer.write(b"GET /v1/feed HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n")
                told = []
                while len(told) < len(wanted):
                    line = await reader.readuntil(b"\n")
                    if line.startswith(b"id: "):
                        told.append(line[4:].decode().strip())
                if told != wanted:
                    raise RuntimeError(f"a reader was told {told}")
            elif kind == "slow":
                writer.write(b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: ")
            is_open.set_result(None)
            reading = asyncio.create_task(reader.read(LINE_BYTES_MAX))
            while True:
                done, _ = await asyncio.wait([reading], timeout=1)
                if done and not reading.result():
                    break
                if done:
                    reading = asyncio.create_task(reader.read(LINE_BYTES_MAX))
                elif kind == "slow":
                    writer.write(b"a")
        except ConnectionError:
            pass
        closed += 1

    loop = asyncio.get_running_loop()
    opens = [loop.create_future() for _ in range(count)]
    tasks = [asyncio.create_task(one(number, is_open)) for number, is_open in enumerate(opens)]
    all_open = asyncio.gather(*opens)
    ended, _ = await asyncio.wait([all_open, *tasks], return_when=asyncio.FIRST_COMPLETED)
    for early in ended:
        # One that was told wrong facts says so.
        early.result()
    await asyncio.wait_for(all_open, 60)
    facts = f", half of whom were told all {len(wanted)} facts once, and half the state" if kind == "readers" else ""
    print(f"{count} {kind}{facts}", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    print(f"the server closed {closed} of {count}")
    for task in tasks:
        task.cancel()
    return kind != "readers" or closed == 0


async def ask(server: Server, count: int) -> bool:
    took = []
    for _ in range(count):
        began = time.perf_counter()
        await server.get("/v1/sequencers/1")
        took.append(1e3 * (time.perf_counter() - began))
    took.sort()
    print(f"{count} answers, median {took[count // 2]:.1f} ms, 99 % {took[count * 99 // 100]:.1f} ms, all {took[-1]:.1f} ms")
    return True


async def bad(server: Server) -> bool:
    answered = [(name, expected, (await server.send(request))[0]) for name, request, expected in BAD]
    print(", ".join(f"{name}: {status}" for name, _, status in answered))
    return all(status == expected for _, expected, status in answered)


async def main() -> bool:
    kind, server = sys.argv[1], Server(sys.argv[2])
    if kind == "bad":
        return await bad(server)
    count = int(sys.argv[3])
    return await (ask(server, count) if kind == "ask" else hold(server, kind, count))


if __name__ == "__main__":
    sys.exit(0 if asyncio.run(main()) else 1)
