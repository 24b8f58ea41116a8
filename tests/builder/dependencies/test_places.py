from __future__ import annotations

import functools
import http.server
import threading

import pytest

from builder.wheels import write_wheel
from modelbuild.dependencies.fetch import SITE, fetch
from modelbuild.dependencies.index import Index
from modelbuild.dependencies.lock import lock
from modelbuild.dependencies.places import places
from modelbuild.errors import RequirementError

NOBODY = "http://127.0.0.1:9/whl/cpu"


@pytest.fixture
def wheels(tmp_path):
    """As PyPI has it: under one name the wheel for GPUs, newer than the one for CPUs in a folder of its own."""
    everything, ours = tmp_path / "everything", tmp_path / "ours"
    write_wheel(everything, "lantern", "2.0", requires=["gpu"])
    write_wheel(everything, "gpu", "1.0")
    write_wheel(everything, "user", "1.0", requires=["lantern>=1"])
    write_wheel(ours, "lantern", "1.9+cpu", files={"lantern.py": "CPU = True\n"})
    return everything, ours


def resolve(requirements, index, tmp_path, **changes):
    return lock(requirements, python="3.11", platform="linux/amd64", index=index, cache=tmp_path, **changes)


def test_a_distribution_with_a_place_comes_from_there_and_from_nowhere_else(wheels, tmp_path):
    everything, ours = map(str, wheels)
    index = Index(find_links=(everything,), offline=True)
    assert resolve(["lantern"], index, tmp_path).requirements == ("gpu==1.0", "lantern==2.0")
    placed = Index(find_links=(ours,), offline=True, places={"lantern": ours})
    found = resolve(["Lantern"], placed, tmp_path, requires={"lantern": []})
    assert found.requirements == ("lantern==1.9+cpu",)
    assert f"{SITE}/lantern.py" in {file.path for file in fetch(found, cache=tmp_path, index=placed).files}
    with pytest.raises(RequirementError, match=r"Only lantern==1\.9\+cpu is where it is looked for"):
        resolve(["lantern>=2"], placed, tmp_path)


@pytest.fixture
def page(wheels):
    """The distribution's page of a package index, on this machine."""
    handler = functools.partial(Quiet, directory=str(wheels[1]))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        """Nothing."""


def test_what_others_need_comes_from_its_place_too(wheels, page, tmp_path):
    index = Index(find_links=(str(wheels[0]),), places={"lantern": page})
    found = resolve(["user"], index, tmp_path)
    assert found.requirements == ("lantern==1.9+cpu", "user==1.0")
    paths = [file.path for file in fetch(found, cache=tmp_path, index=index).files]
    assert f"{SITE}/lantern.py" in paths


def test_the_users_own_wheels_win_and_the_rest_is_the_indexs_page(wheels):
    everything, ours = map(str, wheels)
    indexes = {"lantern": NOBODY, "Other_One": f"{NOBODY}/"}
    assert places(indexes, ()) == {"lantern": f"{NOBODY}/lantern/", "other-one": f"{NOBODY}/other-one/"}
    assert places(indexes, ("/nowhere", ours, everything))["lantern"] == ours
    assert places(indexes, (f"file://{ours}",))["lantern"] == f"file://{ours}"
    assert places(indexes, ("https://mirror/cpu/lantern/",))["lantern"] == "https://mirror/cpu/lantern/"
    assert places(indexes, ("https://mirror/cpu/",))["lantern"] == f"{NOBODY}/lantern/"
