"""Ask the server in this container whether it is ready; exit 0 or 1. Standard library only: it runs often."""

import os
import socket
import sys


def main() -> int:
    """0 when GET /health/ready is answered 200."""
    names = ("AIP_HTTP_PORT", "SAGEMAKER_BIND_TO_PORT", "PORT", "MBUILD_PORT")
    port = next((os.environ[name] for name in names if os.environ.get(name)), "8080")
    host = os.environ.get("MBUILD_HOST", "")
    host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # asked, not bound
    try:
        with socket.create_connection((host, int(port)), timeout=2) as connection:
            connection.sendall(b"GET /health/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            answer = connection.recv(64)
    except (OSError, ValueError):
        return 1
    return 0 if answer.startswith(b"HTTP/1.1 200 ") else 1


if __name__ == "__main__":
    sys.exit(main())
