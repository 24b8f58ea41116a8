"""The packaged server beside its peers, beside loops without a server, and against its targets.

    python benchmarks/serving/run.py [--peers fastapi,mosec] [--workloads W1,W4] [--rounds 5] [--seconds 1]

Servers run one at a time on processor 0, wrk on processor 1; each round measures all of them in a new order. Every
answer is compared before anything is timed. Needs Docker (the images are the real ones), wrk, and two processors;
TorchServe needs Java, and is left out without it, as is any peer that cannot be installed or does not start.
Environments are made once, from PyPI. Prints tables, and writes results.json, results.md and results.svg.
"""

import argparse
import json
import os
import platform
import shutil
import sys
import time
from pathlib import Path

import chart
import environment
import peer
import report
import targets
import workload
from bench import FOOTPRINTS, OURS, Bench

HERE = Path(__file__).parent


def arguments_of(words: list[str]) -> argparse.Namespace:
    workloads = [*workload.names(), *FOOTPRINTS]
    others = [name for name in peer.names() if name not in OURS]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    peers_help = f"of {', '.join(others)}; or all, or none. Default: those that a target names"
    parser.add_argument("--peers", default=",".join(targets.PEERS), help=peers_help)
    parser.add_argument("--workloads", default=",".join(workloads), help=f"of {', '.join(workloads)}")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1, help="of each burst")
    arguments = parser.parse_args(words)
    arguments.peers = {"all": others, "none": []}.get(arguments.peers, arguments.peers.split(","))
    arguments.workloads = arguments.workloads.split(",")
    for given, known in ((arguments.peers, others), (arguments.workloads, workloads)):
        if unknown := set(given) - set(known):
            parser.error(f"{', '.join(sorted(unknown))} is none of {', '.join(known)}")
    return arguments


def measured(arguments: argparse.Namespace) -> dict:
    """All rounds of a run, summed up."""
    began, bench = time.monotonic(), Bench(arguments.seconds)
    bench.install([*OURS, *arguments.peers])
    for name in {*arguments.workloads, "W1"} - set(FOOTPRINTS):
        workload.workload(name).make(environment.CACHE / name.lower())
    for number in range(arguments.rounds):
        bench.round(number, arguments.workloads)
        minutes = (time.monotonic() - began) / 60
        print(f"round {number + 1} of {arguments.rounds}, {minutes:.1f} minutes", file=sys.stderr)
    machine = {
        "python": platform.python_version(),
        "cpus": os.cpu_count(),
        "threads": ", ".join("=".join(item) for item in environment.THREADS.items()),
        "rounds": arguments.rounds,
        "seconds": arguments.seconds,
        "minutes": minutes,
    }
    return bench.results(machine)


def main() -> None:
    arguments = arguments_of(sys.argv[1:])
    for command, hint in (("wrk", "apt-get install wrk"), ("docker", "the images are run by it")):
        if not shutil.which(command):
            raise SystemExit(f"{command} is missing: {hint}")
    results = measured(arguments)
    tables = report.tables(results)
    (HERE / "results.json").write_text(json.dumps(results, indent=2) + "\n")
    (HERE / "results.md").write_text(tables)
    (HERE / "results.svg").write_text(chart.bars(results))
    print(tables)


if __name__ == "__main__":
    main()
