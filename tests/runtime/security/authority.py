"""Certificates as operators have them: made by the openssl program, since the server needs no library for them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

MISSING = shutil.which("openssl") is None
_NAMES = "subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth\n"


def openssl(folder: Path, *arguments: str, said: str = "") -> None:
    if MISSING:
        pytest.skip("openssl is not installed")
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, input=said, text=True)


class Authority:
    """Signs certificates; ``folder`` holds all files."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self.folder = folder
        self.name = name
        openssl(folder, *_key(name))
        made = ("-days", "2", "-subj", f"/CN={name}", "-addext", "basicConstraints=critical,CA:TRUE")
        openssl(folder, "req", "-x509", "-key", f"{name}.key", "-out", f"{name}.crt", *made)
        self.certificate = folder / f"{name}.crt"

    def sign(self, name: str, extensions: str = _NAMES, days: int = 2) -> tuple[Path, Path]:
        """A new certificate and its key; of a client where ``extensions`` say so."""
        (self.folder / "extensions").write_text(extensions)
        openssl(self.folder, *_key(name))
        openssl(self.folder, "req", "-new", "-key", f"{name}.key", "-subj", f"/CN={name}", "-out", f"{name}.csr")
        by = ("-CA", f"{self.name}.crt", "-CAkey", f"{self.name}.key", "-CAcreateserial", "-extfile", "extensions")
        openssl(self.folder, "x509", "-req", "-in", f"{name}.csr", *by, "-days", str(days), "-out", f"{name}.crt")
        return self.folder / f"{name}.crt", self.folder / f"{name}.key"

    def sign_client(self, name: str) -> tuple[Path, Path]:
        return self.sign(name, "extendedKeyUsage=clientAuth\n")


def _key(name: str) -> tuple[str, ...]:
    return ("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", f"{name}.key")
