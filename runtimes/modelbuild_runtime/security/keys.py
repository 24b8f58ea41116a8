"""Who may ask: whoever bears one of the keys, as ``Authorization: Bearer KEY`` (RFC 6750) or ``X-API-Key: KEY``."""

from __future__ import annotations

import logging
import os
import re
from typing import FrozenSet, Iterable, Mapping, Optional, Tuple

from modelbuild_runtime.errors import SettingError
from modelbuild_runtime.security.files import read, stamp
from modelbuild_runtime.settings import Settings

logger = logging.getLogger(__name__)

CHALLENGE = 'Bearer realm="model"'
MISSING = "this needs a key: Authorization: Bearer KEY, or X-API-Key: KEY"
WRONG = "the key is none of this server's"

_FIXED = "MBUILD_API_KEYS"
_FILE = "MBUILD_API_KEYS_FILE"
_KEY = re.compile(r"[!-+\--~]+")
"""What a header can hold in one piece."""
_SIZE = 32


def api_keys(settings: Settings) -> Optional[Keys]:
    """The keys of clients; None where anybody may ask.

    Raises:
        SettingError: one cannot be a key, or the file has none.
    """
    if not settings.api_keys and not settings.api_keys_file:
        return None
    fixed = [key.strip() for key in settings.api_keys.split(",") if key.strip()]
    if not fixed and not settings.api_keys_file:
        raise SettingError(f"{_FIXED} is set, and holds no key")
    return Keys(fixed, settings.api_keys_file)


class Keys:
    """Keys that were given, and those in a file, one a line, which may change.

    They are kept, and looked up, as digests with a secret of this process: how long that takes says nothing of a key,
    and takes as long for a thousand of them.
    """

    def __init__(self, fixed: Iterable[str], path: str = "", said: str = _FIXED) -> None:
        self._secret = os.urandom(_SIZE)
        self._fixed = self._digests(said, fixed)
        self._path = path
        self._stamp = stamp(self._paths)
        self._known = self._fixed | self._in_file()

    def renewed(self) -> bool:
        """Whether the file is another than before. One that cannot be read, or has no key, changes nothing."""
        now = stamp(self._paths)
        if now == self._stamp:
            return False
        self._stamp = now
        try:
            self._known = self._fixed | self._in_file()
        except SettingError as error:
            logger.error("the keys from before are kept: %s", error.message)  # noqa: TRY400  # says all
            return False
        logger.info("the keys were replaced; there are %d", len(self._known))
        return True

    def refusal(self, headers: Mapping[bytes, bytes]) -> str:
        """Why whoever sends these is not answered; empty where they bear a key."""
        kind, _, bearer = headers.get(b"authorization", b"").partition(b" ")
        borne = [headers.get(b"x-api-key", b"").strip(), bearer.strip() if kind.lower() == b"bearer" else b""]
        if any(key and self._digest(key) in self._known for key in borne):
            return ""
        return WRONG if any(borne) else MISSING

    @property
    def _paths(self) -> Tuple[str, ...]:
        return (self._path,) if self._path else ()

    def _in_file(self) -> FrozenSet[bytes]:
        if not self._path:
            return frozenset()
        lines = [line.strip() for line in read(_FILE, self._path).splitlines()]
        found = self._digests(f"{_FILE}: {self._path}", [line for line in lines if line and not line.startswith("#")])
        if not found:
            raise SettingError(f"{_FILE}: {self._path} holds no key", "write one a line")
        return found

    def _digests(self, origin: str, keys: Iterable[str]) -> FrozenSet[bytes]:
        digests = set()
        for at, key in enumerate(keys, 1):
            if not _KEY.fullmatch(key):
                raise SettingError(f"{origin}: key {at} holds something else than letters, digits and signs of ASCII")
            digests.add(self._digest(key.encode("ascii")))
        return frozenset(digests)

    def _digest(self, key: bytes) -> bytes:
        from hashlib import blake2b  # here: it loads OpenSSL

        return blake2b(key, digest_size=_SIZE, key=self._secret).digest()
