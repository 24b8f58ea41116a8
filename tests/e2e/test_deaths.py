"""What clients, the log and metrics are told in a container whose workers die, or stop, while others are in flight."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from typing import Any, NamedTuple

import pytest

from e2e.conftest import make_mbuild
from e2e.dying import CAUSES, EXIT, FEATURES, WAIT
from e2e.projects import make_project
from e2e.servers import ask, running

pytestmark = pytest.mark.docker

ENVIRONMENT = {"MBUILD_LOG_FORMAT": "json", "MBUILD_GRACE": "15"}
LIMITED: dict[str, Any] = {"mem_limit": "400m", "memswap_limit": "400m"}
REFUSED = "this request has ended this server's processes twice, and is not run again"


class Answer(NamedTuple):
    status: int
    identity: str
    body: Any


@pytest.fixture(scope="module")
def dying(
    settings: dict[str, str], client: Any, worker: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("dying")
    project = make_project(folder / "project")
    project.handler.write_text(FEATURES)
    reference = f"mbuild-e2e-{worker}/dying:1"
    make_mbuild(settings, folder)("package", project.model, "-H", project.handler, "-t", reference, "--no-verify")
    yield reference
    client.images.remove(reference, force=True)


@pytest.fixture(scope="module")
def server(dying: str, client: Any) -> Iterator[tuple[Any, str]]:
    with running(client, dying, environment={**ENVIRONMENT, "MBUILD_WORKERS": "3"}, **LIMITED) as found:
        yield found


def post(address: str, price: float, count: int, identity: str = "mine") -> Answer:
    host, _, port = address.partition(":")
    connection = HTTPConnection(host, int(port), timeout=30)
    body = json.dumps({"price": price, "count": count})
    connection.request("POST", "/predict", body, {"content-type": "application/json", "x-request-id": identity})
    response = connection.getresponse()
    answer = Answer(response.status, response.headers["x-request-id"], json.loads(response.read()))
    connection.close()
    return answer


def deaths(container: Any) -> list[dict[str, Any]]:
    """The lines of the log that tell of one."""
    lines = [json.loads(line) for line in container.logs().decode().splitlines() if line.startswith("{")]
    return [line for line in lines if "request_ids" in line]


def until(condition: Callable[[], Any], container: Any) -> None:
    limit = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < limit, container.logs().decode()
        time.sleep(0.1)


@pytest.mark.parametrize("price", CAUSES)
def test_a_worker_that_dies_takes_its_own_requests_with_it_and_no_others(server: tuple[Any, str], price: int) -> None:
    container, address = server
    before = len(deaths(container))
    with ThreadPoolExecutor(9) as pool:
        asked = {
            f"{price}-{count}": pool.submit(post, address, WAIT, count, f"{price}-{count}") for count in range(10, 16)
        }
        time.sleep(0.3)
        asked["killer"] = pool.submit(post, address, price, 1, "killer")
        answers = {name: future.result() for name, future in asked.items()}
    until(lambda: len(deaths(container)) > before, container)
    (death,) = deaths(container)[before:]
    word, text = CAUSES[price]
    assert death["cause"] == word
    assert text in death["message"]
    lost = {name for name, answer in answers.items() if answer.status == 502}
    assert "killer" in lost
    assert lost == set(death["request_ids"])
    for name, answer in answers.items():
        assert (answer.status, answer.identity) == (502 if name in lost else 200, name)
        if name in lost:
            assert (answer.body["code"], answer.body["request_id"]) == ("worker_died", name)
            assert name in death["message"]
    metrics = ask(address, "/metrics")[1].decode()
    assert f'mbuild_worker_deaths_total{{cause="{word}"}}' in metrics


def test_a_request_that_kills_twice_is_refused_and_others_like_it_are_not(server: tuple[Any, str]) -> None:
    container, address = server
    before = len(deaths(container))
    assert [post(address, EXIT, 7).status for _ in range(2)] == [502, 502]
    until(lambda: len(deaths(container)) == before + 2, container)
    for _ in range(9):  # whichever worker is asked
        answer = post(address, EXIT, 7)
        assert (answer.status, answer.body["detail"]) == (422, REFUSED)
    assert post(address, 2.5, 4).status == 200
    assert post(address, EXIT, 8).status == 502
    until(lambda: len(deaths(container)) == before + 3, container)
    assert "quarantined" in container.logs().decode()


@pytest.mark.parametrize("workers", ["1", "3"])
def test_a_server_whose_workers_are_all_busy_tells_its_health_and_stops_well(
    dying: str, client: Any, workers: str
) -> None:
    environment = {**ENVIRONMENT, "MBUILD_WORKERS": workers}
    with running(client, dying, environment=environment, **LIMITED) as (container, address):
        with ThreadPoolExecutor(6) as pool:
            asked = [pool.submit(post, address, WAIT, count) for count in range(4, 10)]
            time.sleep(0.3)
            for _ in range(6):  # whichever worker is asked
                assert [ask(address, f"/health/{name}", timeout=5)[0] for name in ("live", "ready")] == [200, 200]
            container.kill("SIGTERM")
            states = []
            while 503 not in states:
                states.append(ask(address, "/health/ready", timeout=5)[0])
            assert [future.result().status for future in asked] == [200] * 6
        assert container.wait(timeout=30)["StatusCode"] == 0
        assert deaths(container) == []
