"""Runs in an environment of its own: calls a server of two workers with grpcio's client, one of which dies meanwhile, and
prints what each call was told as JSON. The model answers 1 with the id of its process; 13 ends that, after a while.

usage: grpc_deaths_session.py 127.0.0.1:8001
"""

from __future__ import annotations

import json
import struct
import sys
import time
from typing import Any

import grpc
from tritonclient.grpc import service_pb2

RETRIES = {
    "maxAttempts": 4,
    "initialBackoff": "1s",
    "maxBackoff": "4s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE"],
}
CONNECTIONS = 24  # both workers get some
NOTICED = 1.0
"""Seconds in which the supervisor surely sees a death, of which the kernel tells clients at once."""


class Client:
    """One connection."""

    def __init__(self, address: str, *, retries: bool = False) -> None:
        config = {"methodConfig": [{"name": [{}], "retryPolicy": RETRIES}]} if retries else {}
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.service_config", json.dumps(config))]
        self._call = grpc.insecure_channel(address, options=options).unary_unary(
            "/inference.GRPCInferenceService/ModelInfer",
            request_serializer=service_pb2.ModelInferRequest.SerializeToString,
            response_deserializer=service_pb2.ModelInferResponse.FromString,
        )
        self.process = self.ask(1)

    def begin(self, *values: int) -> Any:
        message = service_pb2.ModelInferRequest(model_name="echo")
        message.inputs.add(name="x", datatype="INT64", shape=[len(values), 1])
        message.raw_input_contents.append(struct.pack(f"<{len(values)}q", *values))
        return self._call.future(message, timeout=30, wait_for_ready=True)

    def ask(self, *values: int) -> Any:
        return told(self.begin(*values))


def told(call: Any) -> Any:
    """The process that answered; or code and message."""
    try:
        return struct.unpack_from("<q", call.result().raw_output_contents[0])[0]
    except grpc.RpcError as error:
        return [error.code().name, error.details()]


def death(address: str) -> dict[str, Any]:
    """One process dies of a request; others wait for it, and for the other process."""
    clients = [Client(address) for _ in range(CONNECTIONS)]
    dying = clients[0].process
    among = [client for client in clients if client.process == dying]
    others = [client for client in clients if client.process != dying]
    while (retrying := Client(address, retries=True)).process != dying:
        pass
    killer = clients[0].begin(13, 0)
    time.sleep(0.1)  # it has begun
    waiting = [client.begin(1) for client in among]
    retried = retrying.begin(1)
    beside = [client.begin(14) for client in others]
    return {
        "killer": told(killer),
        "waiting": [told(call) for call in waiting],
        "beside": [told(call) == client.process for call, client in zip(beside, others, strict=True)],
        "after": [type(client.ask(1)).__name__ for client in clients],
        "retried": told(retried) != dying,
        "retried, answered": type(told(retried)).__name__,
    }


if __name__ == "__main__":
    found = death(sys.argv[1])
    found["second time"] = Client(sys.argv[1]).ask(13, 0)
    time.sleep(NOTICED)
    found["third time"] = Client(sys.argv[1]).ask(13, 0)
    found["another, retried"] = Client(sys.argv[1], retries=True).ask(13, 1)
    print(json.dumps(found))
