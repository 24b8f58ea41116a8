"""Keeps OpenSSL out of a process that speaks no TLS: 5 MB, and a tenth of the server's own start.

asyncio imports ``ssl`` in passing, and uvloop takes classes of it. Here both get a module whose code runs when somebody
first asks it for something: handlers see no difference. What uvloop gets in place of the classes says what to do, for
one thing is not possible then, TLS over a loop of uvloop. Nothing of this where the server has a certificate.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from threading import RLock
from types import ModuleType
from typing import Any, Iterator, NoReturn

_running = RLock()


class _Later(ModuleType):
    """A module whose code has not run."""

    def __getattr__(self, name: str) -> Any:
        with _running:
            loader = self.__dict__.pop("_loader", None)
            if loader is not None:
                loader.exec_module(self)
                self.__class__ = ModuleType  # type: ignore[assignment]
        try:
            return self.__dict__[name]
        except KeyError:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}") from None


def postpone() -> None:
    """Have ``ssl`` loaded when it is needed; before anything imports asyncio."""
    if {"ssl", "asyncio"} & sys.modules.keys():
        return
    package = find_spec("asyncio")
    assert package is not None, "a part of Python"
    folder = package.submodule_search_locations
    for spec in (find_spec("ssl"), PathFinder.find_spec("asyncio.sslproto", folder)):  # which asks ssl at its import
        if spec is not None and spec.loader is not None:
            module = module_from_spec(spec)
            module.__dict__["_loader"] = spec.loader
            module.__class__ = _Later
            sys.modules[spec.name] = module
    import asyncio

    asyncio.sslproto = sys.modules["asyncio.sslproto"]  # type: ignore[attr-defined]


@contextmanager
def standing_in() -> Iterator[None]:
    """While uvloop is imported."""
    known = sys.modules.get("ssl")
    if not isinstance(known, _Later):
        yield
        return
    sys.modules["ssl"] = _stand_in()
    try:
        yield
    finally:
        sys.modules["ssl"] = known


def _refuse(*_: object, **__: object) -> NoReturn:
    raise RuntimeError(
        "this process has no certificate, and so its uvloop knows no TLS: use a loop of asyncio's own, "
        "asyncio.SelectorEventLoop()"
    )


class _Refusing(type):
    """Whoever asks whether something is of the class wants TLS."""

    __instancecheck__ = _refuse


def _stand_in() -> ModuleType:
    """The names that uvloop takes at its import; for others, ssl itself."""
    real, module = sys.modules["ssl"], ModuleType("ssl")
    kinds = {name: _Refusing(name, (), {}) for name in ("SSLContext", "MemoryBIO")}
    names = ("SSLError", "SSLWantReadError", "SSLSyscallError", "SSLZeroReturnError", "CertificateError")
    errors = {name: type(name, (Exception,), {}) for name in names}
    numbers = {"SSL_ERROR_WANT_READ": 2, "SSL_ERROR_WANT_WRITE": 3, "SSL_ERROR_SYSCALL": 5}
    module.__dict__.update(kinds, **errors, **numbers, create_default_context=_refuse)
    module.__dict__["__getattr__"] = lambda name: getattr(real, name)
    return module
