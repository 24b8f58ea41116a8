from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta

import pytest

from modelbuild_runtime.security.validity import validity
from runtime.security.authority import Authority


@pytest.mark.parametrize("days", [1, 400, 40_000])  # the last one needs four digits of the year
def test_it_is_what_openssl_says(tmp_path, days):
    certificate, _ = Authority(tmp_path).sign("server", days=days)
    found = validity(certificate.read_text())
    told = subprocess.run(
        ["openssl", "x509", "-in", certificate, "-noout", "-dates"], capture_output=True, text=True, check=True
    )
    begin, end = (line.partition("=")[2] for line in told.stdout.split("\n")[:2])
    assert f"{found.begin:%b %e %H:%M:%S %Y GMT}" == begin
    assert f"{found.end:%b %e %H:%M:%S %Y GMT}" == end
    assert found.end - found.begin == timedelta(days=days)
    assert abs(found.begin - datetime.now(UTC)) < timedelta(minutes=5)


def test_text_around_it_and_further_certificates_do_not_matter(tmp_path):
    authority = Authority(tmp_path)
    pem = authority.sign("server", days=1)[0].read_text()
    assert validity(f"issued by ä\n{pem}{authority.certificate.read_text()}") == validity(pem)


@pytest.mark.parametrize("text", ["", "no certificate", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"])
def test_what_is_none(text):
    with pytest.raises(ValueError):
        validity(text)


def test_one_that_is_cut_short(tmp_path):
    lines = Authority(tmp_path).certificate.read_text().splitlines()
    for count in range(1, len(lines) - 2):
        with pytest.raises(ValueError):
            validity("\n".join([lines[0], lines[1][: 4 * count], lines[-1], ""]))
