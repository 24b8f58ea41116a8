"""The tables of a run, in Markdown."""

from collections.abc import Iterator

from asking import LOADS


def tables(summary: dict) -> str:
    """In process, then over HTTP, then what failed."""
    lines = [*_inside(summary["inside"]), "", *_http(summary["http"])]
    lines += [f"\nCould not be installed: {name}: {why}" for name, why in summary["failed"].items()]
    machine = summary["machine"]
    lines.append(f"\nPython {machine['python']}, {machine['cpus']} processors; {machine['seconds']:.0f} seconds.")
    return "\n".join(lines) + "\n"


def _inside(kinds: list[dict]) -> Iterator[str]:
    yield "| kind | rows | framework, µs | mbuild, µs | `--optimize`, µs | framework / mbuild | framework / best |"
    yield "|---|---|---|---|---|---|---|"
    for kind in kinds:
        for size, calls in kind["microseconds"].items():
            plain, ours = calls["framework"], calls["mbuild"]
            best = min(ours, calls.get("--optimize", ours))
            quicker = f"{calls['--optimize']:.1f}" if "--optimize" in calls else "not kept"
            ratios = f"{plain / ours:.1f}x | {plain / best:.1f}x"
            yield f"| {kind['kind']} | {size} | {plain:.1f} | {ours:.1f} | {quicker} | {ratios} |"


def _http(rows: list[dict]) -> Iterator[str]:
    if not rows:
        return
    loads = [f"{count} {'row' if count == 1 else 'rows'} x {connections}" for count, connections in LOADS]
    yield f"| kind | protocol | server | {' | '.join(f'{load}: req/s | CPU µs | mbuild over it' for load in loads)} |"
    yield "|---|---|---|" + "---|" * 3 * len(LOADS)
    ours = {(row["kind"], row["protocol"]): row for row in rows if row["server"] == "mbuild"}
    for row in rows:
        head = f"| {row['kind']} | {row['protocol']} | {row['server']} |"
        if "failed" in row:
            yield f"{head} failed: {row['failed']} |"
            continue
        yield f"{head} {' | '.join(_figures(row, ours.get((row['kind'], row['protocol'])), load) for load in LOADS)} |"


def _figures(row: dict, ours: dict | None, load: tuple[int, int]) -> str:
    key = f"{load[0]}x{load[1]}"
    rate = row[key]["requests_per_second"]
    over = f"{ours[key]['requests_per_second'] / rate:.1f}x" if ours and ours is not row and key in ours else ""
    return f"{rate:,.0f} | {row[key]['cpu_us']:,.0f} | {over}"
