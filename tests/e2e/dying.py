"""A handler that ends its process in each way that processes end, when it is asked to."""

from __future__ import annotations

FEATURES = '''\
"""The price says what happens; waiting takes as many tenths of a second as the count says."""

import ctypes
import os
import signal
import time
from dataclasses import dataclass


@dataclass
class Order:
    price: float
    count: int


def preprocess(order: Order) -> dict:
    if order.price == 100:
        time.sleep(order.count / 10)
    if order.price == 101:
        os.kill(os.getpid(), signal.SIGKILL)
    if order.price == 102:
        ctypes.string_at(0)
    if order.price == 103:
        os._exit(3)
    if order.price == 104:
        taken = []
        while True:
            taken.append(bytearray(b"x") * (1 << 20))
    return {"x": [order.price, float(order.count)]}


def postprocess(outputs: dict) -> dict:
    return {"total": float(outputs["y"][0])}
'''
WAIT, KILL, SEGFAULT, EXIT, GROW = 100, 101, 102, 103, 104
CAUSES = {
    KILL: ("signal", "killed by SIGKILL"),
    SEGFAULT: ("signal", "killed by SIGSEGV"),
    EXIT: ("exit", "exit status 3"),
    GROW: ("memory", "out of memory; the container may use 400 MiB"),
}
