"""TLS: what the server shows to clients, and what it wants to see of them."""

from __future__ import annotations

import logging
import ssl
from datetime import datetime, timezone
from typing import Dict, Optional

from modelbuild_runtime.errors import SettingError
from modelbuild_runtime.security.files import read, stamp
from modelbuild_runtime.security.validity import validity
from modelbuild_runtime.settings import Settings

logger = logging.getLogger(__name__)

HTTP = "http/1.1"
HTTP2 = "h2"
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2: those with forward secrecy that encrypt and authenticate in one, which is also what HTTP/2 allows. The
ciphers of TLS 1.3 are all like that.
"""
_CERTIFICATE = "MBUILD_TLS_CERTIFICATE"
_KEY = "MBUILD_TLS_KEY"
_CLIENT_CA = "MBUILD_TLS_CLIENT_CA"


def certificates(settings: Settings) -> Optional[Certificates]:
    """What TLS needs; None where it is off.

    Raises:
        SettingError: a file is missing, or is not what it should be.
    """
    if not settings.tls_certificate:
        for name, value in ((_KEY, settings.tls_key), (_CLIENT_CA, settings.tls_client_ca)):
            if value:
                raise SettingError(f"{name} is set, and {_CERTIFICATE} is not")
        return None
    if not settings.tls_key:
        raise SettingError(f"{_CERTIFICATE} is set, and {_KEY} is not", "one file may hold both: name it twice")
    return Certificates(settings)


class Certificates:
    """A context for each protocol above TLS, made of the files as they were when they last fitted together."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._paths = tuple(filter(None, (settings.tls_certificate, settings.tls_key, settings.tls_client_ca)))
        self._stamp = stamp(self._paths)
        self._contexts = self._made()

    def context(self, speaks: str) -> ssl.SSLContext:
        """For connections on which ``HTTP`` or ``HTTP2`` is spoken."""
        return self._contexts[speaks]

    def renewed(self) -> bool:
        """Whether the files are others than before, and fit together: then there are other contexts. While they do not,
        as between two that are replaced one after the other, those from before are kept.
        """
        now = stamp(self._paths)
        if now == self._stamp:
            return False
        self._stamp = now
        try:
            self._contexts = self._made()
        except SettingError as error:
            logger.error("the certificate from before is kept: %s", error.message)  # noqa: TRY400  # says all
            return False
        logger.info("the certificate was replaced; new connections get the new one")
        return True

    def _made(self) -> Dict[str, ssl.SSLContext]:
        pem = read(_CERTIFICATE, self._settings.tls_certificate)
        if "-----BEGIN CERTIFICATE-----" not in pem:
            raise SettingError(f"{_CERTIFICATE}: {self._settings.tls_certificate} holds no certificate in PEM")
        if "PRIVATE KEY-----" not in read(_KEY, self._settings.tls_key):
            raise SettingError(f"{_KEY}: {self._settings.tls_key} holds no private key in PEM")
        made = {speaks: _context(self._settings, speaks) for speaks in (HTTP, HTTP2)}
        _judge(pem, self._settings.tls_certificate)
        return made


def _context(settings: Settings, speaks: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols([speaks])
    _load(context, settings.tls_certificate, settings.tls_key)
    if settings.tls_client_ca:
        _trust(context, settings.tls_client_ca)
    return context


def _load(context: ssl.SSLContext, certificate: str, key: str) -> None:
    asked = []

    def password() -> str:
        asked.append(True)
        return ""

    try:
        context.load_cert_chain(certificate, key, password)
    except (ssl.SSLError, OSError, ValueError) as error:
        if asked:
            raise SettingError(
                f"{_KEY}: the key in {key} is encrypted",
                "nobody is there to type a passphrase: decrypt it with openssl pkey, and protect the file",
            ) from error
        reason = getattr(error, "reason", None) or str(error)
        if reason == "KEY_VALUES_MISMATCH":
            raise SettingError(
                f"the key in {key} is not that of the certificate in {certificate}",
                "a chain begins with the server's own certificate; those of its issuers follow",
            ) from error
        raise SettingError(f"{certificate} and {key} cannot be used for TLS: {_words(reason)}") from error


def _trust(context: ssl.SSLContext, path: str) -> None:
    """Whoever connects must show a certificate that these have signed."""
    read(_CLIENT_CA, path)
    try:
        context.load_verify_locations(cafile=path)
    except OSError as error:
        reason = _words(getattr(error, "reason", None) or str(error))
        raise SettingError(f"{_CLIENT_CA}: {path} holds no certificates in PEM: {reason}") from error
    context.verify_mode = ssl.CERT_REQUIRED


def _judge(pem: str, path: str) -> None:
    """Clients will refuse what is not valid now; the clock may be wrong, and the server cannot know."""
    try:
        begin, end = validity(pem)
    except ValueError:
        logger.debug("from when to when %s is valid cannot be read", path)
        return
    now = datetime.now(timezone.utc)
    if now > end:
        logger.warning("the certificate in %s has expired on %s: clients will refuse it", path, _day(end))
    elif now < begin:
        logger.warning("the certificate in %s is not valid before %s", path, _day(begin))
    else:
        logger.info("TLS with the certificate in %s, valid until %s", path, _day(end))


def _day(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M} UTC"


def _words(reason: str) -> str:
    return reason.lower().replace("_", " ")
