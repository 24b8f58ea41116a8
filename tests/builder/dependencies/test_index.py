from __future__ import annotations

import pytest

from builder.wheels import write_wheel
from modelbuild.dependencies.index import Index, identity, redact, trusted, uv_environment
from modelbuild.errors import UsageError

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nown\n-----END CERTIFICATE-----\n"


def test_credentials_are_redacted_wherever_they_stand():
    text = "failed https://me:s3cret@host/simple and HTTP://token@host:8080/x?y, mail a@b.c"
    assert redact(text) == "failed https://host/simple and HTTP://host:8080/x?y, mail a@b.c"


def test_urls_reach_uv_by_its_environment():
    index = Index("https://u:p@a/simple", ("https://b/simple", "https://c/simple"), offline=True)
    found = uv_environment(index, {"UV_INDEX_URL": "old", "UV_EXTRA_INDEX_URL": "old", "VIRTUAL_ENV": "x", "KEEP": "1"})
    assert found["UV_DEFAULT_INDEX"] == "https://u:p@a/simple"
    assert found["UV_INDEX"] == "https://b/simple https://c/simple"
    assert found["UV_OFFLINE"] == "1"
    assert found["KEEP"] == "1"
    assert not {"UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "VIRTUAL_ENV"} & found.keys()


def test_what_the_user_configured_stays_without_flags():
    assert uv_environment(Index(), {"UV_INDEX_URL": "https://mirror"})["UV_INDEX_URL"] == "https://mirror"


def test_identity_holds_no_secrets_and_sees_a_new_wheel(tmp_path):
    index = Index("https://u:s3cret@a/simple?token=s3cret", find_links=(str(tmp_path),))
    before = identity(index, {"UV_INDEX": "https://x:s3cret@b/", "OTHER": "1"})
    assert "s3cret" not in repr(before)
    assert "UV_INDEX=https://b/" in before
    write_wheel(tmp_path, "alpha", "1.0")
    assert identity(index, {}) != identity(Index("https://a/simple"), {})
    assert identity(index, {"UV_INDEX": "https://x:s3cret@b/", "OTHER": "1"}) != before


def test_a_ca_file_adds_to_what_the_machine_trusts(tmp_path):
    own, system = tmp_path / "own.pem", tmp_path / "system.pem"
    own.write_text(CERTIFICATE)
    system.write_text("SYSTEM\n")
    assert trusted(Index(ca_file=own), {"SSL_CERT_FILE": str(system)}) == CERTIFICATE + "SYSTEM\n"
    assert trusted(Index(), {"SSL_CERT_FILE": str(system)}) == ""


@pytest.mark.parametrize(("content", "words"), [(None, "cannot be read"), ("key", "holds no certificate")])
def test_a_ca_file_that_cannot_be_used(tmp_path, content, words):
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UsageError, match=words):
        trusted(Index(ca_file=path), {})
