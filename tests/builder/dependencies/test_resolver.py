from __future__ import annotations

import pytest

from modelbuild.dependencies.resolver import failure, useful, without_wheels
from modelbuild.errors import NoSpaceError, RequirementError

CONTRADICTION = """Because beta==2 depends on alpha>=3 and you require beta==2, we can conclude that
    you require alpha>=3. And because you require alpha==1, we can conclude that"""


@pytest.mark.parametrize(
    ("errors", "message"),
    [
        ("cause: invalid peer certificate: UnknownIssuer", "certificate is not trusted"),
        ("hint: An index URL (http://h/) could not be queried (401 Unauthorized)", "refused the credentials"),
        ("error sending request for url\n  cause: dns error", "cannot be reached"),
        (
            "error: Failed to initialize cache at `/ro/.cache/uv`\n  cause: failed to create directory",
            "uv, which resolves them, cannot write its cache /ro/.cache/uv",
        ),
        ("Failed to read `--find-links` directory: /nowhere", "The folder /nowhere of --find-links"),
        (
            "Failed to read `--find-links` URL: https://w/torch/\n  cause: dns error",
            "The page of wheels https://w/torch/",
        ),
        ("cause: Because there is no version of alpha==99 and you require alpha==99", "alpha==99 does not exist"),
        ("cause: Because alpha was not found in the package registry and you", "alpha is in no package index"),
        (
            "cause: Because alpha==1 has no wheels with a matching Python ABI tag (e.g.",
            "alpha==1 has no wheel for this",
        ),
        (
            "And because alpha>=2 has no wheels with a matching platform tag (e.g., `musllinux`)",
            "alpha>=2 has no wheel for this platform",
        ),
        ("Because you require alpha==1 and alpha<1, we can conclude", "alpha==1 contradicts alpha<1"),
        (
            CONTRADICTION,
            "beta==2 needs alpha>=3, which contradicts alpha==1",
        ),
        ("error: No solution found when resolving", "contradict each other"),
        ("something new", "cannot be resolved"),
    ],
)
def test_a_failure_names_the_thing_and_the_target(errors, message):
    error = failure(errors, "Python 3.11 on linux/amd64")
    assert isinstance(error, RequirementError)
    assert message in error.message
    assert "Python 3.11 on linux/amd64" in error.message
    assert error.details == errors


def test_a_full_disk_is_no_matter_of_requirements():
    assert isinstance(failure("No space left on device (os error 28)", "x"), NoSpaceError)


def test_noise_and_credentials_are_left_out():
    text = (
        "warning: The requested Python version 3.12 is not available; 3.11 will be used.\n"
        "Resolved 1 package in 5ms\n"
        "warning: A managed Python download is available\n"
        "  cause: dns error\n"
        "error: Failed to fetch: https://me:s3cret@host/simple/\n"
        "  cause: tcp\n"
    )
    assert useful(text) == "error: Failed to fetch: https://host/simple/\n  cause: tcp"


def test_packages_without_wheels():
    hint = "hint: Wheels are required for `{}` because building from source is disabled for all packages"
    assert without_wheels(hint.format("alpha") + "\n" + hint.format("beta") + hint.format("alpha")) == ("alpha", "beta")
