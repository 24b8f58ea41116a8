"""modelbuild.base.contents: what a base holds."""

import pytest

from modelbuild.base.contents import bundle_certificates, fixed_files, package_records, wanted_file, wanted_stdlib
from modelbuild.base.rootfs import FILE, Entry, file, link, merged, resolve, with_parents

STDLIB = "usr/lib/python3.11"


def from_package(package: str, content: bytes = b"") -> Entry:
    return Entry(FILE, 0o644, content, package=package)


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("json/decoder.py", True),
        ("lib-dynload/_ssl.cpython-311-x86_64-linux-gnu.so", True),
        ("unittest/mock.py", True),
        ("distutils/version.py", True),
        ("test/test_json.py", False),
        ("unittest/test/test_case.py", False),
        ("tkinter/__init__.py", False),
        ("json/__pycache__/decoder.cpython-311.pyc", False),
        ("lib-dynload/_curses.cpython-311-x86_64-linux-gnu.so", False),
        ("site-packages/pip/__init__.py", False),
        ("EXTERNALLY-MANAGED", False),
    ],
)
def test_standard_library(path: str, wanted: bool) -> None:
    assert wanted_stdlib(path) is wanted


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("usr/bin/python3.11", True),
        ("usr/bin/openssl", False),
        ("usr/lib/python3.11/os.py", True),
        ("usr/share/zoneinfo/Europe/Paris", True),
        ("usr/share/zoneinfo/right/Europe/Paris", False),
        ("usr/share/man/man1/python3.11.1.gz", False),
        ("usr/lib/x86_64-linux-gnu/libssl.so.3", True),
    ],
)
def test_files_of_packages(path: str, wanted: bool) -> None:
    assert wanted_file(path, stdlib=STDLIB, programs=False) is wanted


def test_programs_come_only_from_packages_that_are_there_for_them() -> None:
    assert wanted_file("usr/bin/find", stdlib=STDLIB, programs=True)


def test_debians_own_python_stays_out_beside_one_from_a_prefix() -> None:
    assert not wanted_file("usr/bin/python3.11", stdlib="", programs=False)
    assert not wanted_file("usr/lib/python3.11/os.py", stdlib="", programs=False)
    assert wanted_file("usr/lib/x86_64-linux-gnu/libssl.so.3", stdlib="", programs=False)


def test_paths_of_older_suites_move_below_usr() -> None:
    assert merged("./lib/x86_64-linux-gnu/libc.so.6") == "usr/lib/x86_64-linux-gnu/libc.so.6"
    assert merged("./lib64/ld-linux-x86-64.so.2") == "usr/lib64/ld-linux-x86-64.so.2"
    assert merged("./bin/sh") == "usr/bin/sh"
    assert merged("./etc/passwd") == "etc/passwd"


def test_links_in_a_circle_lead_nowhere() -> None:
    assert resolve({"a": link("b"), "b": link("a")}, "a") == ""


def test_certificates_become_one_file_in_a_fixed_order_and_further_ones_come_last() -> None:
    place = "usr/share/ca-certificates/mozilla"
    root = {f"{place}/B.crt": file("B"), f"{place}/A.crt": file("A\n\n"), "etc/services": file("")}

    bundled = bundle_certificates(root, b"OURS\n")

    assert bundled["etc/ssl/certs/ca-certificates.crt"].content == b"A\nB\nOURS\n"
    assert set(bundled) == {"etc/services", "etc/ssl/certs/ca-certificates.crt"}


def test_records_and_licences_are_those_of_the_packages_that_left_files() -> None:
    docs = "usr/share/doc"
    root = {
        "usr/lib/libz.so.1": from_package("zlib1g"),
        "usr/lib/libgomp.so.1": from_package("libgomp1"),
        f"{docs}/zlib1g/copyright": from_package("zlib1g", b"zlib"),
        f"{docs}/zlib1g/changelog.gz": from_package("zlib1g"),
        f"{docs}/libgomp1": Entry("link", 0o777, target="gcc-12-base", package="libgomp1"),
        f"{docs}/gcc-12-base/copyright": from_package("gcc-12-base", b"GPL"),
        f"{docs}/dpkg/copyright": from_package("dpkg"),
    }
    controls = {name: f"Package: {name}\n" for name in ("zlib1g", "libgomp1", "gcc-12-base", "dpkg")}

    kept = package_records(root, controls)

    assert set(kept) == {
        "usr/lib/libz.so.1",
        "usr/lib/libgomp.so.1",
        f"{docs}/zlib1g/copyright",
        f"{docs}/libgomp1",
        f"{docs}/gcc-12-base/copyright",
        "var/lib/dpkg/status.d/libgomp1",
        "var/lib/dpkg/status.d/zlib1g",
    }
    assert kept["var/lib/dpkg/status.d/zlib1g"].content == b"Package: zlib1g\n"


def test_accounts_folders_and_names_of_the_interpreter() -> None:
    root = with_parents(fixed_files("usr/bin/python3.11"))

    assert b"\nnonroot:x:65532:65532:" in root["etc/passwd"].content
    assert (root["tmp"].mode, root["home/nonroot"].owner) == (0o1777, 65532)
    assert root["usr/local/bin/python3"].target == "/usr/bin/python3.11"
    assert root["usr/local/bin/python"].target == "python3"
    assert list(root) == sorted(root)
