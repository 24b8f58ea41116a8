"""How much memory one connection takes: many clients could otherwise fill it with bodies, and with answers that they do
not read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

from modelbuild_runtime.errors import Overloaded, ServerError, TooLarge

if TYPE_CHECKING:
    from modelbuild_runtime.http.application import Application


class Holding:
    """The bytes of one connection, counted among those of all. ``bodies`` are, or were, being read; of them ``current``
    belong to the request that is being read. ``unread`` are of answers that wait for the client, as of the last look.
    """

    __slots__ = ("_app", "bodies", "current", "unread")

    def __init__(self, app: Application) -> None:
        self._app = app
        self.bodies = 0
        self.current = 0
        self.unread = 0

    def keep(self, size: int) -> Optional[ServerError]:
        """The body that is being read has this size as far as it is known. Returns why there is no room for it, if
        there is none.
        """
        more, app = size - self.current, self._app
        if more <= 0:
            return None
        if self.bodies + more > app.max_held:
            return TooLarge(f"the memory of this server is for bodies of {app.max_held} bytes")
        if app.held + more > app.max_held:
            return Overloaded("other large requests are being read; come back later", retry_after=1)
        app.held += more
        self.bodies += more
        self.current = size
        return None

    def release(self) -> None:
        """Bodies that were read are not needed any more."""
        self._app.held -= self.bodies
        self.bodies = self.current = 0

    def leave(self, unread: int) -> None:
        """So much of the answers is not read yet."""
        self._app.held += unread - self.unread
        self.unread = unread

    @property
    def crowds(self) -> bool:
        """There is more than all may take. One whose unread answers are all of it may have that room alone."""
        return self.unread < self._app.held > self._app.max_held
