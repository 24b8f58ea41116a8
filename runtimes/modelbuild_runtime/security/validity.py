"""From when to when a certificate is valid. The standard library reads certificates only for whoever connects.

Source: RFC 5280, 4.1, in the encoding of X.690 (DER).
"""

from __future__ import annotations

import ssl
from datetime import datetime, timezone
from typing import NamedTuple, Tuple

_VERSION = 0xA0
_UTC_TIME = 0x17
_END = "-----END CERTIFICATE-----"


class Validity(NamedTuple):
    """Both ends are part of it."""

    begin: datetime
    end: datetime


def validity(pem: str) -> Validity:
    """The validity of the first certificate in a text.

    Raises:
        ValueError: there is none, or it is none.
    """
    first = pem[pem.find("-----BEGIN CERTIFICATE-----") : pem.find(_END) + len(_END)]
    try:
        der = ssl.PEM_cert_to_DER_cert(first)
        _, at, _ = _element(der, 0)  # the certificate
        _, at, _ = _element(der, at)  # what of it is signed
        kind, _, after = _element(der, at)
        if kind == _VERSION:
            at = after
        for _ in range(3):  # the serial number, the algorithm, the issuer
            _, _, at = _element(der, at)
        _, at, _ = _element(der, at)
        kind, begin, middle = _element(der, at)
        later_kind, later, end = _element(der, middle)
        return Validity(_time(kind, der[begin:middle]), _time(later_kind, der[later:end]))
    except IndexError:
        raise ValueError("the certificate is cut short") from None


def _element(der: bytes, at: int) -> Tuple[int, int, int]:
    """Tag of an element, and where its content begins and ends."""
    size, begin = der[at + 1], at + 2
    if size & 0x80:
        count = size & 0x7F
        size, begin = int.from_bytes(der[begin : begin + count], "big"), begin + count
    return der[at], begin, begin + size


def _time(kind: int, text: bytes) -> datetime:
    """Two digits of a year are those from 1950 to 2049."""
    digits = text.decode("ascii")
    if kind == _UTC_TIME:
        digits = ("19" if digits >= "50" else "20") + digits
    return datetime.strptime(digits, "%Y%m%d%H%M%SZ").replace(tzinfo=timezone.utc)
