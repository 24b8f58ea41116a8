"""Connections of workers, kept open by their supervisor: when a worker dies, somebody can still answer.

A worker sends a duplicate of each socket that it accepts, and says when it has closed one. The supervisor lets go of
its duplicate then, and only then does the client see the end of the connection.

Source: unix(7), SCM_RIGHTS; tcp(7), TCP_INFO and SIOCINQ.
"""

from __future__ import annotations

import array
import fcntl
import os
import signal
import socket
import struct
import termios
from typing import Dict, List, Optional, Tuple

from modelbuild_runtime.http.problem import problem_body

_MESSAGE = struct.Struct("<?I")  # opened or closed, number
_DESCRIPTOR = array.array("i").itemsize
_HEAD = (
    "HTTP/1.1 502 Bad Gateway\r\ncontent-type: application/problem+json\r\nx-request-id: %s\r\n"
    "connection: close\r\ncontent-length: %d\r\n\r\n"
)
_UNREAD = (
    "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\nretry-after: 1\r\n"
    "connection: close\r\ncontent-length: %d\r\n\r\n"
)
_RECEIVED = struct.Struct("=128xQ")  # tcpi_bytes_received of Linux' struct tcp_info
_COUNT = struct.Struct("=i")
WAKES = signal.SIGIO
NOT_READ = "the process that was to read this died before it did; ask again"
DETAIL = "the process that was to answer this died; the server's log says why, under request id "


class Entrusting:
    """A worker's side. Nothing here waits: what cannot be said now is said later, or not at all."""

    def __init__(self, channel: socket.socket) -> None:
        channel.setblocking(False)
        self._channel: Optional[socket.socket] = channel
        self._last = 0
        self._closed: List[int] = []  # that the supervisor was not told

    def opened(self, sock: socket.socket) -> int:
        """A connection was accepted. Returns its number, 0 where nobody else keeps it."""
        self.tell()
        if self._closed or self._channel is None:
            return 0
        self._last += 1
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [sock.fileno()]))]
        try:
            self._channel.sendmsg([_MESSAGE.pack(True, self._last)], rights)
        except OSError:
            return 0
        return self._last

    def closed(self, number: int) -> None:
        """A connection that was kept is closed."""
        self._closed.append(number)
        self.tell()

    def tell(self) -> None:
        """Say what is left to say."""
        try:
            while self._closed and self._channel is not None:
                self._channel.send(_MESSAGE.pack(False, self._closed[-1]))
                self._closed.pop()
        except BlockingIOError:
            return
        except OSError:  # the supervisor is gone, and so is what it kept
            self._channel = None


class Keeper:
    """The supervisor's side, of one worker."""

    def __init__(self) -> None:
        self._channel, self.other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._channel.setblocking(False)
        self._sockets: Dict[int, socket.socket] = {}

    def wake(self, process: int) -> None:
        """Send a process the signal ``WAKES`` when there is something to hear."""
        flags = fcntl.fcntl(self._channel, fcntl.F_GETFL)
        fcntl.fcntl(self._channel, fcntl.F_SETOWN, process)
        fcntl.fcntl(self._channel, fcntl.F_SETFL, flags | os.O_ASYNC)

    def hear(self) -> None:
        """Take what the worker has sent."""
        while True:
            try:
                message, rights, _, _ = self._channel.recvmsg(_MESSAGE.size, socket.CMSG_SPACE(_DESCRIPTOR))
            except OSError:  # nothing more
                return
            if not message:
                return
            opened, number = _MESSAGE.unpack(message)
            for _, _, data in rights:
                (descriptor,) = array.array("i", data[:_DESCRIPTOR])
                self._sockets[number] = socket.socket(fileno=descriptor)
            if not opened and number in self._sockets:
                self._sockets.pop(number).close()

    def answer(self, number: int, identity: str) -> Optional[socket.socket]:
        """Answer a request of a worker that died. Returns the socket, which is closed when the client had the time to
        read; None where it is not kept or cannot be written to.
        """
        sock = self._sockets.pop(number, None)
        if sock is None:
            return None
        body = problem_body(502, DETAIL + identity, "worker_died", identity)
        return _told(sock, (_HEAD % (identity, len(body))).encode() + body)

    def turn_away(self) -> List[socket.socket]:
        """Answer the clients of whom a worker that died had read nothing: nothing of theirs was run, and nothing that
        was written to them is on its way. Returns the sockets, as ``answer`` does.
        """
        body = problem_body(503, NOT_READ, "worker_died", "")
        data = (_UNREAD % len(body)).encode() + body
        unread = [number for number, sock in self._sockets.items() if _is_unread(sock)]
        found = [_told(self._sockets.pop(number), data) for number in unread]
        return [sock for sock in found if sock is not None]

    def close(self) -> None:
        """Let go of all."""
        for sock in (*self._sockets.values(), self._channel, self.other):
            sock.close()
        self._sockets.clear()


def _is_unread(sock: socket.socket) -> bool:
    """Whether all that a client has ever sent, which is something, still waits in the kernel."""
    try:
        (received,) = _RECEIVED.unpack(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _RECEIVED.size))
        (waiting,) = _COUNT.unpack(fcntl.ioctl(sock, termios.FIONREAD, bytes(_COUNT.size)))
    except (OSError, struct.error):  # another kernel
        return False
    return bool(received == waiting > 0)


def _told(sock: socket.socket, data: bytes) -> Optional[socket.socket]:
    """The socket, if the client was told and is to have the time to read it; else it is closed."""
    try:
        if sock.send(data, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL) == len(data):
            sock.shutdown(socket.SHUT_WR)
            return sock
    except OSError:
        pass
    sock.close()
    return None


class Lingering:
    """Sockets that were answered: closed at once, what the client still sends would destroy the answer on its way."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._sockets: List[Tuple[float, socket.socket]] = []

    def add(self, sock: socket.socket, now: float) -> None:
        """Close it later."""
        self._sockets.append((now + self._seconds, sock))

    def close(self, now: float) -> None:
        """Close those whose time is over."""
        for due, sock in self._sockets:
            if due <= now:
                sock.close()
        self._sockets = [(due, sock) for due, sock in self._sockets if due > now]
