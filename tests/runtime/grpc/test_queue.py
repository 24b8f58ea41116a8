"""Calls of gRPC in the queue: those that end before they are run never are."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from modelbuild_runtime.dataplane.batcher import Batcher
from modelbuild_runtime.dataplane.dataplane import Dataplane
from modelbuild_runtime.dataplane.pace import Pace
from runtime.fakes import FakePipeline
from runtime.grpc.wires import MESSAGE, Client, message


class Gated(FakePipeline):
    """Waits for the test before it answers."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.begun = threading.Event()

    def run(self, inputs: Any, parameters: Any = None) -> Any:
        self.begun.set()
        self.gate.wait(5)
        return super().run(inputs)


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110  # what is waited for happens in another thread
        await asyncio.sleep(0.005)


@asynccontextmanager
async def busy(**settings: Any) -> AsyncIterator[tuple[Client, Gated, Batcher]]:
    """A client whose first call is being run."""
    client, pipeline, pace = Client(), Gated(), Pace()
    pace.observe(1, 1.0)
    dataplane = Dataplane(pipeline)
    limits = {"max_rows": 100, "max_waiting": 10, "timeout": 60.0, **settings}
    batcher = Batcher(dataplane.run, client.app.metrics.of("m"), pace, asyncio.get_running_loop(), **limits)
    client.app.open(client.app.routes._router, dataplane, batcher)
    client.send(client.open(), message(), end=True)
    await until(pipeline.begun.is_set)
    try:
        yield client, pipeline, batcher
    finally:
        pipeline.gate.set()
        await until(lambda: batcher.idle)
        batcher.close()


def ended(client: Client, stream: int) -> int | None:
    """The status that a call has ended with."""
    client.exchange()
    return client.answer(stream).status


def test_a_call_whose_deadline_passes_is_not_run() -> None:
    async def story() -> None:
        async with busy() as (client, pipeline, batcher):
            late = client.open(grpc_timeout="50m")
            client.send(late, message(), end=True)
            assert batcher.waiting == 1
            await asyncio.sleep(0.15)
            assert ended(client, late) == 4
            assert batcher.waiting == 0
            pipeline.gate.set()
            await until(lambda: batcher.idle)
            assert pipeline.runs == [1]

    asyncio.run(story())


def test_a_call_that_is_cancelled_is_not_run_and_disturbs_nobody() -> None:
    async def story() -> None:
        async with busy() as (client, pipeline, batcher):
            gone, stays = client.open(), client.open()
            for stream in (gone, stays):
                client.send(stream, message(MESSAGE.replace(b"3", b"9")), end=True)
            client.h2.reset_stream(gone)
            client.exchange()
            pipeline.gate.set()
            await until(lambda: batcher.idle)
            assert pipeline.runs == [1, 1]
            assert ended(client, stays) == 0

    asyncio.run(story())


def test_a_full_queue_is_told_in_grpc_s_own_word() -> None:
    async def story() -> None:
        async with busy(max_waiting=1) as (client, _, _batcher):
            client.send(client.open(), message(), end=True)
            refused = client.open()
            client.send(refused, message(b"this is not even decoded"), end=True)
            assert ended(client, refused) == 8

    asyncio.run(story())
