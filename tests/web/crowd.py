"""Clients of one port, in a process of their own: `python crowd.py PORT KIND COUNT SECONDS`.

KIND is scrape, half (a request that is never complete) or unread (an answer that is not read). Prints how many
answers were complete.
"""

from __future__ import annotations

import asyncio
import resource
import sys
from pathlib import Path

REQUEST = b"GET /metrics HTTP/1.1\r\nHost: x\r\n"


async def client(port: int, kind: str, seconds: float) -> int:
    """One client: how many complete answers it got."""
    answers, end = 0, asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < end:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=4096)
        except OSError:
            await asyncio.sleep(0.1)
            continue
        try:
            writer.write(REQUEST if kind == "half" else REQUEST + b"\r\n")
            if kind == "scrape":
                answers += len(await read_all(reader)) > 1000
            else:
                await asyncio.sleep(end - asyncio.get_running_loop().time())
        except OSError:
            await asyncio.sleep(0.1)
        finally:
            writer.transport.abort()
    return answers


async def read_all(reader: asyncio.StreamReader) -> bytes:
    parts = []
    while part := await reader.read(65536):
        parts.append(part)
    return b"".join(parts)


async def main(port: int, kind: str, count: int, seconds: float) -> None:
    print(sum(await asyncio.gather(*(client(port, kind, seconds) for _ in range(count)))))


if __name__ == "__main__":
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, most), most))
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))


CROWD = Path(__file__).with_name("crowd.py")
