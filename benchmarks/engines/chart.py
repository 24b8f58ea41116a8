"""A bar chart as SVG, drawn by hand: microseconds of CPU for one row, in process. Bars are on a logarithmic scale."""

import math

WIDTH, BAR, GAP, LEFT, RIGHT = 760, 14, 12, 180, 90
COLOURS = {"framework": "#adb5bd", "mbuild": "#2a6f97", "--optimize": "#61a5c2"}


def bars(kinds: list[dict]) -> str:
    """Three bars a kind: the framework's plain call, the packaged engine, and what --optimize keeps."""
    values = [(kind["kind"], kind["microseconds"]["1"]) for kind in kinds]
    top = max(value for _, calls in values for value in calls.values())
    height = 60 + sum(len(calls) * BAR + GAP for _, calls in values)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif">',
        '<g font-size="12">',
        '<text x="10" y="20" font-size="14" font-weight="bold">CPU of one row in process, µs, logarithmic</text>',
    ]
    for place, (name, colour) in enumerate(COLOURS.items()):
        parts.append(f'<rect x="{LEFT + place * 120}" y="30" width="12" height="12" fill="{colour}"/>')
        parts.append(f'<text x="{LEFT + place * 120 + 18}" y="40">{name}</text>')
    y = 54
    for kind, calls in values:
        parts.append(f'<text x="{LEFT - 10}" y="{y + BAR - 2}" text-anchor="end">{kind}</text>')
        for name, value in calls.items():
            length = (WIDTH - LEFT - RIGHT) * math.log(1 + value) / math.log(1 + top)
            parts.append(f'<rect x="{LEFT}" y="{y}" width="{length:.1f}" height="{BAR - 2}" fill="{COLOURS[name]}"/>')
            parts.append(f'<text x="{LEFT + length + 6:.1f}" y="{y + BAR - 3}">{value:,.1f}</text>')
            y += BAR
        y += GAP
    return "\n".join([*parts, "</g>", "</svg>", ""])
