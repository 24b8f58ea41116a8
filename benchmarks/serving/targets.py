"""What is to be reached, each a measure of one run: the value, and how it compares."""

from collections.abc import Callable
from typing import NamedTuple

Results = dict
PEERS = ("bentoml", "fastapi", "mlserver", "mosec", "torchserve")
"""Those that a target compares with. Others are measured where they are asked for."""


class Target(NamedTuple):
    """``most`` says that less is better. ``value`` raises KeyError where what it needs was not measured."""

    measure: str
    reach: float
    unit: str
    value: Callable[[Results], float]
    most: bool = False

    def told(self, results: Results) -> tuple[str, str, str]:
        """The value, the target, and whether it is reached, as text."""
        reach = f"at {'most' if self.most else 'least'} {self.reach:g}{self.unit}"
        try:
            value = self.value(results)
        except KeyError:
            return "not measured", reach, ""
        reached = value <= self.reach if self.most else value >= self.reach
        return f"{value:.3g}{self.unit}", reach, "reached" if reached else "missed"


def _over(peer: str, workload: str = "W1", connections: int = 32, server: str = "mbuild") -> Callable[[Results], float]:
    """Requests a second over a peer's."""

    def value(results: Results) -> float:
        runs = results["servers"][workload]
        ours, theirs = (runs[name][str(connections)]["requests_per_second"] for name in (server, peer))
        return ours / theirs

    return value


def _of_the_loop(workload: str, connections: int) -> Callable[[Results], float]:
    """Requests a second over the loop's, on the same core."""
    return lambda results: (
        results["servers"][workload]["mbuild"][str(connections)]["requests_per_second"]
        * results["loops"][workload]["us"]
        / 1e6
    )


def _cpu_over_the_loop(results: Results) -> float:
    return results["servers"]["W1"]["mbuild"]["1"]["cpu_us"] / results["loops"]["W1"]["cpu_us"]


def _converted(results: Results) -> float:
    return results["loops"]["W4"]["us"] / results["loops"]["W4-optimize"]["us"]


def _json_over_binary(results: Results) -> float:
    runs = results["servers"]["W5"]
    return runs["mbuild JSON"]["1"]["p50_ms"] / runs["mbuild binary"]["1"]["p50_ms"]


def _start(results: Results) -> float:
    return results["footprint"]["start"]["server_ms"] / results["footprint"]["start"]["session_ms"]


def _beyond(results: Results) -> float:
    return results["footprint"]["memory"]["server_mb"] - results["footprint"]["memory"]["session_mb"]


TARGETS = (
    Target("W1, 32 connections, requests/s over FastAPI async", 18, "x", _over("fastapi")),
    Target("W1, 32 connections, requests/s over mosec, batch 32", 2.2, "x", _over("mosec")),
    Target("W1, 32 connections, requests/s over MLServer", 40, "x", _over("mlserver")),
    Target("W1, 32 connections, requests/s over TorchServe", 70, "x", _over("torchserve")),
    Target("W1, 32 connections, requests/s over BentoML", 110, "x", _over("bentoml")),
    Target("W1, one connection, CPU a request over the bare loop", 1.25, "x", _cpu_over_the_loop, most=True),
    Target("W1, single records, 32 connections, requests/s over that loop", 0.9, "x", _of_the_loop("W1-single", 32)),
    Target("W3, requests/s over raw run", 0.97, "x", _of_the_loop("W3", 8)),
    Target("W4, 32 connections, requests/s over MLServer's sklearn runtime", 28, "x", _over("mlserver", "W4")),
    Target("W4, one row, scikit-learn's time over the converted forest's", 100, "x", _converted),
    Target("W5, time in JSON over time in binary", 2, "x", _json_over_binary, most=True),
    Target("start to first answer over a bare session's start", 1.5, "x", _start, most=True),
    Target("memory beyond interpreter, onnxruntime and model", 12, " MB", _beyond, most=True),
    Target(
        "memory of each further worker", 10, " MB", lambda found: found["footprint"]["memory"]["worker_mb"], most=True
    ),
    Target(
        "server's packages beyond numpy and the framework",
        20,
        " MB",
        lambda found: found["footprint"]["size"]["packages_mb"],
        most=True,
    ),
)
