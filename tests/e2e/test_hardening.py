"""The image as the strictest operators run it, and as engines watch and stop it."""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from e2e.command import Mbuild
from e2e.projects import ANSWER, FEATURES, REQUEST, Project
from e2e.servers import HARDENED, ask, running
from environments import make_sample
from modelbuild.declaration import Runtime
from modelbuild.runtime import builtin_runtimes

pytestmark = pytest.mark.docker

SLOW = FEATURES.replace(
    "def preprocess(order: Order) -> dict:\n",
    "def preprocess(order: Order) -> dict:\n    time.sleep(2 if order.price == 2 else 0.05)\n",
).replace("from dataclasses", "import time\nfrom dataclasses")


@pytest.fixture(scope="module")
def server(packaged: dict[str, Any], client: Any) -> Iterator[tuple[Any, str]]:
    with running(client, packaged["reference"]) as found:
        yield found


@pytest.fixture
def slow(mbuild: Mbuild, project: Project, image: Callable[..., str]) -> str:
    """An image whose answers take as many seconds as the price says."""
    project.handler.write_text(SLOW)
    reference = image()
    mbuild("package", project.model, "-H", project.handler, "-t", reference, "--no-verify")
    return reference


def execute(container: Any, program: str) -> Any:
    code, output = container.exec_run(["python3", "-c", program])
    assert code == 0, output.decode()
    return json.loads(output)


def status_of(container: Any) -> dict[str, str]:
    """/proc/1/status: what the kernel lets the server do."""
    lines = execute(container, "import json; print(json.dumps(open('/proc/1/status').read().splitlines()))")
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def test_without_privileges(server: tuple[Any, str]) -> None:
    container, address = server
    assert ask(address, "/predict", REQUEST) == (200, ANSWER)
    status = status_of(container)
    assert status["Uid"].split() == ["65532"] * 4
    assert status["Gid"].split() == ["0"] * 4
    assert {status[name] for name in ("CapPrm", "CapEff", "CapBnd", "CapInh", "CapAmb")} == {"0" * 16}
    assert status["NoNewPrivs"] == "1"


def test_on_a_read_only_file_system_where_only_tmp_is_written_to(server: tuple[Any, str]) -> None:
    container, address = server
    ask(address, "/predict", REQUEST)
    program = """
import json, os
def writable(path):
    try:
        open(path + "/probe", "w").close()
    except OSError:
        return False
    os.unlink(path + "/probe")
    return True
print(json.dumps({path: writable(path) for path in ("/", "/opt/mbuild", "/home", "/var", "/tmp")}))
"""
    assert execute(container, program) == {
        "/": False,
        "/opt/mbuild": False,
        "/home": False,
        "/var": False,
        "/tmp": True,
    }
    assert [item for item in container.diff() or () if not item["Path"].startswith("/tmp")] == []


def test_files_are_roots_and_nobody_else_may_write(server: tuple[Any, str]) -> None:
    container, _ = server
    program = """
import json, os
wrong = []
for folder, folders, files in os.walk("/opt/mbuild"):
    for name in folders + files:
        status = os.lstat(os.path.join(folder, name))
        if (status.st_uid, status.st_gid) != (0, 0) or status.st_mode & 0o022 or status.st_mtime:
            wrong.append(os.path.join(folder, name))
print(json.dumps(wrong[:5]))
"""
    assert execute(container, program) == []


@pytest.mark.parametrize("user", ["1234567:0", "65532:0", "0:0", "1000:1000"])
def test_as_any_user(packaged: dict[str, Any], client: Any, user: str) -> None:
    """OpenShift gives each project a user of its own, with group 0."""
    with running(client, packaged["reference"], user=user) as (container, address):
        assert ask(address, "/predict", REQUEST) == (200, ANSWER)
        assert container.exec_run(list(health_command(container)), user=user)[0] == 0


def test_without_a_network(packaged: dict[str, Any], client: Any) -> None:
    """Nothing is fetched, reported or resolved: ``check`` loads the model and asks it where there is no network."""
    output = client.containers.run(
        packaged["reference"], "check", network_mode="none", remove=True, stderr=True, **HARDENED
    )
    assert b"ERROR" not in output


def test_with_no_tmp_at_all(packaged: dict[str, Any], client: Any) -> None:
    with running(client, packaged["reference"], tmpfs={}) as (_, address):
        assert ask(address, "/predict", REQUEST) == (200, ANSWER)


def test_with_little_memory_and_few_processes(packaged: dict[str, Any], client: Any) -> None:
    with running(client, packaged["reference"], mem_limit="256m", pids_limit=64) as (_, address):
        assert ask(address, "/predict", REQUEST) == (200, ANSWER)


def test_many_large_bodies_do_not_end_a_small_container(packaged: dict[str, Any], client: Any) -> None:
    """Each is a few hundred kilobytes, and fifty times that once it is read."""
    order = b'{"price":2,"count":4},'
    one, too_many = (b"[" + order * (orders - 1) + order[:-1] + b"]" for orders in (20_000, 400_000))
    with running(client, packaged["reference"], mem_limit="320m", memswap_limit="320m") as (container, address):

        def post(path: str, body: bytes, **headers: str) -> int:
            connection = HTTPConnection(address, timeout=60)
            with closing(connection):
                connection.request("POST", path, body, {"content-type": "application/json", **headers})
                answer = connection.getresponse()
                answer.read()
                return answer.status

        with ThreadPoolExecutor(40) as pool:
            statuses = Counter(pool.map(lambda _: post("/predict", one), range(40)))
        assert statuses[200], statuses
        assert statuses.keys() <= {200, 429}
        assert post("/predict", too_many) == 413
        for path in ("/services/any", "/models", "/v2/repository/index", "/any/update"):
            assert post(path, gzip.compress(too_many), **{"content-encoding": "gzip"}) in {404, 405, 413}
        assert ask(address, "/predict", REQUEST) == (200, ANSWER)
        container.reload()
        assert container.attrs["RestartCount"] == 0
        assert container.status == "running"


def test_nothing_in_it_but_what_it_needs(server: tuple[Any, str]) -> None:
    """No compiler, installer or cache; no trace of the machine that built it."""
    container, _ = server
    program = """
import json, os, shutil, importlib.util as u
print(json.dumps({
    "programs": [name for name in ("gcc", "cc", "make", "pip", "uv", "git", "curl") if shutil.which(name)],
    "modules": [name for name in ("pip", "setuptools", "modelbuild", "uv") if u.find_spec(name)],
    "left": [name for name in ("/root/.cache", "/requirements.lock", "/Dockerfile") if os.path.exists(name)],
}))
"""
    assert execute(container, program) == {"programs": [], "modules": [], "left": []}


def test_sigterm_ends_it_at_once_with_exit_code_0(packaged: dict[str, Any], client: Any) -> None:
    with running(client, packaged["reference"]) as (container, address):
        idle = HTTPConnection(*address.split(":"))
        idle.connect()  # a connection without a request keeps nobody waiting
        began = time.monotonic()
        container.kill("SIGTERM")
        assert container.wait(timeout=30)["StatusCode"] == 0
        assert time.monotonic() - began < 10
        assert "Traceback" not in container.logs().decode()
        idle.close()


def test_a_request_in_flight_is_answered_before_it_ends(slow: str, client: Any) -> None:
    with running(client, slow) as (container, address):
        answers: list[Any] = []
        asking = threading.Thread(target=lambda: answers.append(ask(address, "/predict", {"price": 2.0, "count": 1})))
        asking.start()
        time.sleep(0.5)
        container.kill("SIGTERM")
        assert container.wait(timeout=30)["StatusCode"] == 0
        asking.join(30)
        assert answers == [(200, {"total": 8.0})]


def health_command(container: Any) -> list[str]:
    test: list[str] = container.image.attrs["Config"]["Healthcheck"]["Test"]
    assert test[0] == "CMD"
    return test[1:]


def wait_for_health(container: Any, wanted: str) -> None:
    for _ in range(150):
        container.reload()
        if container.attrs["State"]["Health"]["Status"] == wanted:
            return
        time.sleep(0.1)
    raise AssertionError(f"not {wanted}: {container.attrs['State']['Health']}")


def often(container_settings: dict[str, Any], test: list[str]) -> dict[str, Any]:
    """The image's own probe, asked more often than its interval says."""
    second = 1_000_000_000
    check = {"test": ["CMD", *test], "interval": second // 2, "timeout": second, "retries": 1}
    return {**container_settings, "healthcheck": check}


def test_the_health_check_tells_the_truth(packaged: dict[str, Any], client: Any) -> None:
    test = client.images.get(packaged["reference"]).attrs["Config"]["Healthcheck"]["Test"][1:]
    with running(client, packaged["reference"], **often({}, test)) as (container, address):
        wait_for_health(container, "healthy")
        container.kill("SIGSTOP")  # alive for the kernel, and answers nobody
        wait_for_health(container, "unhealthy")
        container.kill("SIGCONT")
        wait_for_health(container, "healthy")
        assert ask(address, "/predict", REQUEST) == (200, ANSWER)


def test_the_health_check_is_asked_by_engines(packaged: dict[str, Any], client: Any) -> None:
    check = client.images.get(packaged["reference"]).attrs["Config"]["Healthcheck"]
    assert check["Test"][:2] == ["CMD", "python3"]
    assert 0 < check["Timeout"] <= check["Interval"]
    assert check["StartPeriod"] > 0


def test_live_while_a_prediction_takes_long(slow: str, client: Any) -> None:
    with running(client, slow) as (container, address):
        asking = threading.Thread(target=ask, args=(address, "/predict", {"price": 2.0, "count": 1}))
        asking.start()
        time.sleep(0.3)
        assert ask(address, "/health/live", timeout=1)[0] == 200
        assert container.exec_run(health_command(container))[0] == 0
        asking.join(30)


@pytest.mark.parametrize("runtime", builtin_runtimes(), ids=lambda runtime: runtime.name)
def test_size_over_the_base(
    mbuild: Mbuild, image: Callable[..., str], client: Any, base: str, tmp_path: Path, runtime: Runtime
) -> None:
    """The runtime's own ceiling holds for its sample, which answers rightly."""
    sample = make_sample(runtime.name, tmp_path)
    example = tmp_path / "sample.json"
    example.write_text(json.dumps({"request": sample.request, "expected": sample.expected}))
    packaged = mbuild("package", sample.path, "-e", example, "-t", image(), "--json").json
    assert packaged["verification"]["examples"][0]["difference"] == ""
    over_the_base = packaged["size"] - client.images.get(base).attrs["Size"]
    assert 0 < over_the_base <= runtime.max_size_mb * 1_000_000


def test_commands_of_the_image(packaged: dict[str, Any], client: Any) -> None:
    def run(*command: str) -> Any:
        return client.containers.run(packaged["reference"], list(command), remove=True, network_mode="none", **HARDENED)

    described = json.loads(run("info"))
    assert described["manifest"]["model"]["name"] == "packaged"
    assert [item["name"] for item in described["contract"]["inputs"]] == ["price", "count"]
    assert run("check") is not None
    with pytest.raises(Exception, match="serve"):
        run("dance")
