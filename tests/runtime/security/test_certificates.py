"""What TLS is made of, and what is said where it cannot be made."""

from __future__ import annotations

import logging
import os
import shutil
import ssl

import pytest

from modelbuild_runtime.errors import SettingError
from modelbuild_runtime.security.certificates import HTTP, HTTP2, certificates
from modelbuild_runtime.settings import Settings
from runtime.security.authority import Authority, openssl


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    made = Authority(tmp_path_factory.mktemp("authority"))
    made.sign("one")
    made.sign("two")
    openssl(made.folder, "pkcs8", "-topk8", "-in", "one.key", "-out", "encrypted.key", "-passout", "pass:secret")
    openssl(made.folder, "pkcs8", "-topk8", "-in", "one.key", "-out", "der.key", "-outform", "DER", "-nocrypt")
    (made.folder / "empty").write_text("")
    (made.folder / "chain.crt").write_text((made.folder / "one.crt").read_text() + made.certificate.read_text())
    (made.folder / "wrong-way.crt").write_text(made.certificate.read_text() + (made.folder / "one.crt").read_text())
    both = (made.folder / "one.crt").read_text() + (made.folder / "one.key").read_text()
    (made.folder / "both.pem").write_text(both)
    broken = (made.folder / "one.crt").read_text().splitlines()
    (made.folder / "broken.crt").write_text("\n".join([broken[0], broken[1], broken[-1], ""]))
    return made


def made(authority, certificate="one.crt", key="one.key", client_ca=""):
    def path(name):
        return str(authority.folder / name) if name else ""

    return certificates(Settings(tls_certificate=path(certificate), tls_key=path(key), tls_client_ca=path(client_ca)))


def test_off_unless_asked_for():
    assert certificates(Settings()) is None


@pytest.mark.parametrize("names", [("one.crt", "one.key"), ("chain.crt", "one.key"), ("both.pem", "both.pem")])
def test_contexts_are_as_strict_as_clients_of_today(authority, names):
    found = made(authority, *names)
    for speaks in (HTTP, HTTP2):
        context = found.context(speaks)
        assert context.minimum_version == ssl.TLSVersion.TLSv1_2
        assert context.options & ssl.OP_NO_RENEGOTIATION
        assert context.verify_mode == ssl.CERT_NONE
        old = [cipher["name"] for cipher in context.get_ciphers() if cipher["protocol"] == "TLSv1.2"]
        assert old
        assert all(name.startswith("ECDHE") and ("GCM" in name or "CHACHA20" in name) for name in old)
    strict = made(authority, client_ca="authority.crt").context(HTTP)
    assert strict.verify_mode == ssl.CERT_REQUIRED


@pytest.mark.parametrize(
    ("names", "message", "hint"),
    [
        (("", "one.key"), "MBUILD_TLS_KEY is set, and MBUILD_TLS_CERTIFICATE is not", ""),
        (("", "", "authority.crt"), "MBUILD_TLS_CLIENT_CA is set, and MBUILD_TLS_CERTIFICATE is not", ""),
        (("one.crt", ""), "MBUILD_TLS_CERTIFICATE is set, and MBUILD_TLS_KEY is not", "name it twice"),
        (("none.crt", "one.key"), "MBUILD_TLS_CERTIFICATE: .*none.crt cannot be read: No such file", ""),
        (("one.crt", "none.key"), "MBUILD_TLS_KEY: .*none.key cannot be read: No such file", ""),
        (("one.crt", "one.key", "none"), "MBUILD_TLS_CLIENT_CA: .*none cannot be read: No such file", ""),
        (("one.crt", "two.key"), "the key in .*two.key is not that of the certificate in .*one.crt", "a chain begins"),
        (("wrong-way.crt", "one.key"), "the key in .*one.key is not that of", "a chain begins"),
        (("one.crt", "encrypted.key"), "the key in .*encrypted.key is encrypted", "openssl pkey"),
        (("one.crt", "der.key"), "MBUILD_TLS_KEY: .*der.key holds no private key in PEM", ""),
        (("one.key", "one.key"), "MBUILD_TLS_CERTIFICATE: .*one.key holds no certificate in PEM", ""),
        (("one.crt", "one.crt"), "MBUILD_TLS_KEY: .*one.crt holds no private key in PEM", ""),
        (("broken.crt", "one.key"), "broken.crt and .*one.key cannot be used for TLS: ", ""),
        (("one.crt", "one.key", "empty"), "MBUILD_TLS_CLIENT_CA: .*empty holds no certificates in PEM", ""),
        (("one.crt", "one.key", "one.key"), "MBUILD_TLS_CLIENT_CA: .*one.key holds no certificates in PEM", ""),
    ],
)
def test_each_mistake_is_named(authority, names, message, hint):
    with pytest.raises(SettingError, match=message) as raised:
        made(authority, *names)
    assert hint in raised.value.hint


@pytest.mark.skipif(os.getuid() == 0, reason="root reads everything")
def test_a_key_of_somebody_else(authority, tmp_path):
    key = tmp_path / "key"
    shutil.copy(authority.folder / "one.key", key)
    key.chmod(0)
    with pytest.raises(SettingError, match="Permission denied") as raised:
        certificates(Settings(tls_certificate=str(authority.folder / "one.crt"), tls_key=str(key)))
    assert f"user {os.getuid()}" in raised.value.hint


def test_one_that_is_not_valid_is_a_warning(authority, caplog):
    authority.sign("old", days=-1)
    assert made(authority, "old.crt", "old.key") is not None
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "has expired on" in caplog.text or "is not valid before" in caplog.text


def test_files_that_are_replaced(authority, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    for kind in ("crt", "key"):
        shutil.copy(authority.folder / f"one.{kind}", tmp_path / f"server.{kind}")
    found = certificates(Settings(tls_certificate=str(tmp_path / "server.crt"), tls_key=str(tmp_path / "server.key")))
    before = found.context(HTTP)
    assert not found.renewed()
    shutil.copy(authority.folder / "two.crt", tmp_path / "server.crt")
    assert not found.renewed(), "the key does not fit yet"
    assert not found.renewed()
    assert caplog.text.count("the certificate from before is kept") == 1
    assert found.context(HTTP) is before
    shutil.copy(authority.folder / "two.key", tmp_path / "server.key")
    assert found.renewed()
    assert found.context(HTTP) is not before
    assert not found.renewed()
    (tmp_path / "server.key").unlink()
    assert not found.renewed()
    assert "server.key cannot be read" in caplog.text


def test_a_secret_that_is_swapped_by_its_link(authority, tmp_path):
    """As kubelet does it: the files are links into a folder that is a link, too."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        for kind in ("crt", "key"):
            shutil.copy(authority.folder / f"{name}.{kind}", tmp_path / name / f"tls.{kind}")
    (tmp_path / "data").symlink_to("one")
    for kind in ("crt", "key"):
        (tmp_path / f"tls.{kind}").symlink_to(f"data/tls.{kind}")
    found = certificates(Settings(tls_certificate=str(tmp_path / "tls.crt"), tls_key=str(tmp_path / "tls.key")))
    (tmp_path / "new").symlink_to("two")
    (tmp_path / "new").rename(tmp_path / "data")
    assert found.renewed()
