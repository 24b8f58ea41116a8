"""Ask the server in this container how it is; exit 0 or 1. Standard library only: it runs often.

``health.py`` asks whether it is ready, ``health.py live`` whether it is alive. Where the server speaks TLS, it is asked
on a socket that is for this alone, and speaks none: there may be no certificate that the server would take.
"""

import os
import socket
import sys


def main() -> int:
    """0 when GET /health/ready is answered 200."""
    what = sys.argv[1] if len(sys.argv) > 1 else "ready"
    try:
        with _connected() as connection:
            connection.sendall(
                b"GET /health/%b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" % what.encode()
            )
            answer = connection.recv(64)
    except (OSError, ValueError):
        return 1
    return 0 if answer.startswith(b"HTTP/1.1 200 ") else 1


def _connected() -> socket.socket:
    names = ("AIP_HTTP_PORT", "SAGEMAKER_BIND_TO_PORT", "PORT", "MBUILD_PORT")
    port = int(next((os.environ[name] for name in names if os.environ.get(name)), "8080"))
    host = os.environ.get("MBUILD_HOST", "").strip() or "0.0.0.0"  # noqa: S104  # the server's own default
    if os.environ.get("MBUILD_TLS_CERTIFICATE", "").strip():
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(2)
        connection.connect(f"\0mbuild-health:{host}:{port}")
        return connection
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # asked, not bound
    return socket.create_connection((host, port), timeout=2)


if __name__ == "__main__":
    sys.exit(main())
