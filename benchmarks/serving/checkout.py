"""The server of this checkout as an image runs it, on processor 0, without a container."""

import contextlib
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from environment import THREADS

HOST = "127.0.0.1"


@contextlib.contextmanager
def served(folder: Path, port: int, **settings: str) -> Iterator[int]:
    """``folder`` has the manifest; yields the process id of a server that is ready. Another process reads its log, as
    an engine would.
    """
    variables = {
        "MBUILD_MANIFEST": str(folder / "manifest.json"),
        "MBUILD_HOST": HOST,
        "MBUILD_PORT": str(port),
        "MBUILD_GRPC_PORT": "0",
        "MBUILD_THREADS": "1",
        **settings,
    }
    command = ["taskset", "-c", "0", sys.executable, "-m", "modelbuild_runtime", "serve"]
    process = subprocess.Popen(command, env={**os.environ, **THREADS, **variables}, stderr=subprocess.PIPE)
    reader = subprocess.Popen(["taskset", "-c", "1", "cat"], stdin=process.stderr, stdout=subprocess.DEVNULL)
    process.stderr.close()
    try:
        for _ in range(400):
            with contextlib.suppress(OSError), urllib.request.urlopen(f"http://{HOST}:{port}/health/ready"):
                break
            time.sleep(0.05)
        else:
            raise SystemExit("the server did not become ready")
        yield process.pid
    finally:
        process.terminate()
        process.wait(timeout=30)
        reader.wait(timeout=30)
