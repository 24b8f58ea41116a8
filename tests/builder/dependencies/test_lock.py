from __future__ import annotations

import os
import time

import pytest

from builder.wheels import links, write_source, write_wheel
from modelbuild.dependencies.lock import FRESH_SECONDS, Lock, lock, plain, wheel_platform
from modelbuild.errors import RequirementError


@pytest.fixture
def wheels(tmp_path):
    folder = tmp_path / "wheels"
    write_wheel(folder, "alpha", "1.0", requires=["beta>=2"])
    write_wheel(folder, "beta", "1.0")
    write_wheel(folder, "beta", "2.0")
    return folder


def resolve(requirements, folder, cache, **changes):
    values = {"python": "3.11", "platform": "linux/amd64", "index": links(folder), "cache": cache}
    return lock(requirements, **{**values, **changes})


def test_a_lock_has_versions_and_hashes_and_nothing_of_this_machine(wheels, tmp_path):
    found = resolve(["alpha"], wheels, tmp_path / "cache")
    assert found.requirements == ("alpha==1.0", "beta==2.0")
    assert found.text.count("--hash=sha256:") == 2
    assert str(tmp_path) not in found.text
    assert found.wheels == "x86_64-manylinux_2_28"
    assert found.notes == ()


def test_less_than_the_metadata_asks_for(wheels, tmp_path):
    write_wheel(wheels, "gamma", "1.0", requires=["beta<2"])
    cache = tmp_path / "cache"
    assert resolve(["alpha"], wheels, cache, requires={"alpha": []}).requirements == ("alpha==1.0",)
    assert resolve(["alpha"], wheels, cache).requirements == ("alpha==1.0", "beta==2.0")
    # Others may still want it.
    assert resolve(["alpha", "gamma"], wheels, cache, requires={"alpha": ()}).requirements[1] == "beta==1.0"


def test_an_equal_question_gets_the_same_answer_until_refreshed(wheels, tmp_path):
    cache = tmp_path / "cache"
    first = resolve(["alpha"], wheels, cache)
    answer = next(cache.glob("locks/*.json"))
    answer.write_text(answer.read_text().replace("alpha==1.0", "alpha==1.0.remembered"))
    assert resolve(["alpha"], wheels, cache).requirements[0] == "alpha==1.0.remembered"
    assert resolve(["alpha"], wheels, cache, refresh=True) == first
    assert resolve(["alpha"], wheels, cache) == first


def test_an_old_answer_is_asked_for_again(wheels, tmp_path):
    cache = tmp_path / "cache"
    first = resolve(["alpha"], wheels, cache)
    answer = next(cache.glob("locks/*.json"))
    answer.write_text(answer.read_text().replace("alpha==1.0", "alpha==0.1"))
    old = time.time() - FRESH_SECONDS - 60
    os.utime(answer, (old, old))
    assert resolve(["alpha"], wheels, cache) == first


def test_a_damaged_answer_is_asked_for_again(wheels, tmp_path):
    cache = tmp_path / "cache"
    first = resolve(["alpha"], wheels, cache)
    next(cache.glob("locks/*.json")).write_text("{")
    assert resolve(["alpha"], wheels, cache) == first


def test_a_new_wheel_in_the_folder_is_seen(wheels, tmp_path):
    resolve(["alpha"], wheels, tmp_path / "cache")
    write_wheel(wheels, "beta", "2.1")
    assert resolve(["alpha"], wheels, tmp_path / "cache").requirements == ("alpha==1.0", "beta==2.1")


def test_the_order_of_requirements_does_not_matter(wheels, tmp_path):
    cache = tmp_path / "cache"
    resolve(["alpha", "beta"], wheels, cache)
    resolve(["beta", "alpha"], wheels, cache)
    assert len(list(cache.glob("locks/*.json"))) == 1


def test_what_does_not_exist_is_named(wheels, tmp_path):
    with pytest.raises(RequirementError, match="gamma is in no package index that was asked"):
        resolve(["gamma"], wheels, tmp_path / "cache")
    with pytest.raises(RequirementError, match=r"beta==9 .*does not exist|The version of beta"):
        resolve(["beta==9"], wheels, tmp_path / "cache")


def test_a_contradiction_is_named(wheels, tmp_path):
    with pytest.raises(RequirementError, match=r"alpha needs beta>=2, which contradicts beta==1") as caught:
        resolve(["alpha==1.0", "beta==1"], wheels, tmp_path / "cache")
    assert "unsatisfiable" in caught.value.details


def test_a_wheel_for_another_platform_is_refused(tmp_path):
    folder = tmp_path / "wheels"
    write_wheel(folder, "gamma", "1.0", tag="cp311-cp311-manylinux_2_28_aarch64")
    with pytest.raises(RequirementError, match=r"gamma.* has no wheel for this platform .*linux/amd64"):
        resolve(["gamma"], folder, tmp_path / "cache")
    assert resolve(["gamma"], folder, tmp_path / "cache", platform="linux/arm64").requirements == ("gamma==1.0",)


def test_a_wheel_for_a_newer_c_library_is_refused(tmp_path):
    folder = tmp_path / "wheels"
    write_wheel(folder, "gamma", "1.0", tag="cp311-cp311-manylinux_2_34_x86_64")
    assert resolve(["gamma"], folder, tmp_path / "cache", libc="glibc 2.36").requirements == ("gamma==1.0",)
    with pytest.raises(RequirementError, match="has no wheel for this platform"):
        resolve(["gamma"], folder, tmp_path / "cache", libc="glibc 2.31")


def test_what_has_no_wheel_is_allowed_from_source_with_a_word(tmp_path):
    folder = tmp_path / "wheels"
    write_source(folder, "delta", "1.0")
    write_wheel(folder, "alpha", "1.0", requires=["delta"])
    found = resolve(["alpha"], folder, tmp_path / "cache")
    assert found.requirements == ("alpha==1.0", "delta==1.0")
    assert found.from_source == ("delta",)
    assert found.notes == (
        "delta has no wheel: it is built from its source, which runs its build script on this machine.",
    )
    assert resolve(["alpha"], folder, tmp_path / "cache") == found


def test_a_compiled_package_for_another_python_is_not_built(tmp_path):
    folder = tmp_path / "wheels"
    write_source(folder, "delta", "1.0")
    write_wheel(folder, "delta", "1.0", tag="cp39-cp39-manylinux_2_28_x86_64")
    with pytest.raises(RequirementError) as caught:
        resolve(["delta==1.0"], folder, tmp_path / "cache")
    assert caught.value.message == ("delta==1.0 has no wheel for Python 3.11 on linux/amd64; it has for Python 3.9.")
    assert "--python 3.9" in caught.value.hint


def test_options_and_comments_never_enter_a_lock():
    text = "--index-url https://me:s3cret@host/\n# made by\nalpha==1.0 \\\n    --hash=sha256:11\n    # via beta\n\n"
    assert plain(text) == "alpha==1.0 \\\n    --hash=sha256:11\n"


def test_names_and_versions_of_a_lock():
    text = (
        'alpha==1.0 ; python_version >= "3.9" \\\n    --hash=sha256:11\nb @ https://h/b.whl \\\n    --hash=sha256:22\n'
    )
    found = Lock(text, "3.11", "linux/amd64", "x86_64-manylinux_2_28").requirements
    assert found == ('alpha==1.0 ; python_version >= "3.9"', "b @ https://h/b.whl")


@pytest.mark.parametrize(
    ("platform", "libc", "expected"),
    [
        ("linux/amd64", "", "x86_64-manylinux_2_28"),
        ("linux/arm64", "glibc 2.36", "aarch64-manylinux_2_36"),
        ("linux/amd64", "glibc 2.30", "x86_64-manylinux_2_28"),
        ("linux/amd64", "glibc 2.99", "x86_64-manylinux_2_40"),
        ("linux/amd64", "glibc 2.17", "x86_64-manylinux_2_17"),
        ("linux/arm64/v8", "musl 1.2", "aarch64-unknown-linux-musl"),
    ],
)
def test_the_wheels_that_a_base_can_use(platform, libc, expected):
    assert wheel_platform(platform, libc) == expected


def test_platforms_without_wheels():
    with pytest.raises(RequirementError, match="'windows/amd64' cannot be made"):
        wheel_platform("windows/amd64")
    with pytest.raises(RequirementError, match=r"glibc 2\.12 is too old"):
        wheel_platform("linux/amd64", "glibc 2.12")
