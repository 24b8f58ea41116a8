"""The port of gRPC: beside the other, its own trouble, and workers that share it."""

from __future__ import annotations

import socket

import pytest

from modelbuild_runtime.grpc import frames
from runtime.grpc.wires import message, opening
from runtime.processes import free_port, run, serving


def status(port: int, path: str = "/a.B/C") -> int:
    """What a call to a method that does not exist is told: 12 from an open server, 14 from one that is loading."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(
            frames.PREFACE + frames.settings() + opening(path=path) + frames.frame(frames.DATA, 1, 1, message())
        )
        read = b""
        while b"grpc-status" not in read:
            more = client.recv(65536)
            assert more, read
            read += more
    _, _, rest = read.partition(b"grpc-status")
    return int(rest[1 : 1 + rest[0]])


@pytest.mark.parametrize("workers", [1, 2])
def test_grpc_is_spoken_beside_http(tmp_path, workers):
    port = free_port()
    one_thread = {"OPENBLAS_NUM_THREADS": 1, "OMP_NUM_THREADS": 1}  # or nothing can be forked
    with serving(tmp_path, MBUILD_GRPC_PORT=port, MBUILD_WORKERS=workers, **one_thread) as served:
        served.until_ready()
        assert status(port) == 12
        assert served.get("/predict", [[1, 2, 3]]) == (200, b'{"y":[6.0]}')
        served.terminate()
        assert served.end()[0] == 0
    with pytest.raises(OSError, match="refused"):
        status(port)


def test_while_the_model_is_loaded_calls_are_told_so(tmp_path):
    port = free_port()
    with serving(tmp_path, MBUILD_GRPC_PORT=port, FAKE_LOADING=0.7) as served:
        served.until(lambda: served.status("/health/live"))
        assert status(port) == 14
        for method in ("inference.GRPCInferenceService/ServerLive", "grpc.health.v1.Health/Check"):
            assert status(port, f"/{method}") == 0
        served.until_ready()
        assert status(port) == 12


def test_a_port_in_use_is_told(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = run(tmp_path, "serve", MBUILD_PORT=0, MBUILD_GRPC_PORT=taken.getsockname()[1])
    assert done.returncode == 1
    assert done.stderr.endswith("hint: set MBUILD_GRPC_PORT (0 for no gRPC)\n")


def test_a_port_that_is_http_s_leaves_grpc_out(tmp_path):
    port = free_port()
    with serving(tmp_path, PORT=port, MBUILD_GRPC_PORT=port) as served:  # PORT takes precedence
        served.port = port
        served.until_ready()
        assert f"no gRPC: its port {port} is that of HTTP" in served.log.read_text()
