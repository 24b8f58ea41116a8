"""The tables of a run, in Markdown."""

from collections.abc import Iterator

import workload
from peer import peer
from targets import TARGETS, Results


def tables(results: Results) -> str:
    """Servers by workload, loops, what the image takes, targets, and who was left out."""
    parts = [*_servers(results), *_loops(results), *_footprint(results), *_targets(results), *_left_out(results)]
    return "\n".join([*parts, "", _machine(results), ""])


def title(server: str) -> str:
    """As people call a server; ``server`` is a peer's name, and the label of a question."""
    name, _, label = server.partition(" ")
    return f"{peer(name).TITLE}, {label}" if label else peer(name).TITLE


def _servers(results: Results) -> Iterator[str]:
    for name, servers in results["servers"].items():
        yield from ("", f"{name}: {workload.workload(name).TITLE}", "")
        yield "| server | connections | req/s | best | mbuild over it | p50 ms | p99 ms | CPU µs | MB |"
        yield "|---|---|---|---|---|---|---|---|---|"
        best = servers.get("mbuild") or servers.get("mbuild binary") or {}
        for server, runs in servers.items():
            for count, run in runs.items():
                rate = run["requests_per_second"]
                ratio = f"{best[count]['requests_per_second'] / rate:.2f}x" if count in best else ""
                times = f"{run['p50_ms']:.3f} | {run['p99_ms']:.3f} | {run['cpu_us']:,.1f}"
                rates = f"{rate:,.0f} | {run['best_per_second']:,.0f} | {ratio}"
                yield f"| {title(server)} | {count} | {rates} | {times} | {run['memory_mb']:.0f} |"


def _loops(results: Results) -> Iterator[str]:
    if results["loops"]:
        yield from ("", "| loop without a server, in the image | µs | CPU µs |", "|---|---|---|")
    for name, run in results["loops"].items():
        yield f"| {name} | {run['us']:,.1f} | {run['cpu_us']:,.1f} |"


def _footprint(results: Results) -> Iterator[str]:
    found = results["footprint"]
    if "start" in found:
        start = found["start"]
        yield f"\nStart to the first answer {start['server_ms']:.0f} ms; a bare session {start['session_ms']:.0f} ms."
    if "memory" in found:
        memory = found["memory"]
        yield f"\nThe server takes {memory['server_mb']:.1f} MB; interpreter, onnxruntime and model alone"
        yield f"take {memory['session_mb']:.1f}; each further worker {memory['worker_mb']:.1f}."
    if "size" in found:
        size = found["size"]
        packages = ", ".join(f"{name} {megabytes:.1f}" for name, megabytes in size["packages"].items())
        yield f"\nMegabytes of the server's packages: {packages}; its own code {size['server_mb']:.1f}."


def _targets(results: Results) -> Iterator[str]:
    yield from ("", "| measure | value | to reach | |", "|---|---|---|---|")
    for target in TARGETS:
        yield f"| {target.measure} | {' | '.join(target.told(results))} |"


def _left_out(results: Results) -> Iterator[str]:
    for name, why in results["left_out"].items():
        yield f"\nFailed, and left out where it failed twice: {name}: {' '.join(why.split())[-600:]}"


def _machine(results: Results) -> str:
    told = results["machine"]
    lines = [
        f"Processors: {told['cpus']}; servers on processor 0, the load on processor 1; {told['threads']}.",
        f"Rounds: {told['rounds']}, {told['seconds']} s a burst; medians. The run took {told['minutes']:.1f} minutes.",
    ]
    lines += [
        f"{name}: {', '.join(f'{package} {number}' for package, number in versions.items())}"
        for name, versions in results["versions"].items()
    ]
    return "\n".join(f"- {line}" for line in lines)
