"""A bar chart as SVG, drawn by hand: requests a second of W1 at 32 connections."""

from report import title
from targets import Results

WIDTH, BAR, GAP, LEFT, RIGHT = 760, 24, 12, 170, 140


def bars(results: Results) -> str:
    """One bar a server, the longest fills the width; beside it the rate, and how many times less it is than ours."""
    runs = results["servers"].get("W1", {})
    values = {server: counts["32"]["requests_per_second"] for server, counts in runs.items()}
    ranked = sorted(values.items(), key=lambda item: -item[1])
    height = len(values) * (BAR + GAP) + 50
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif"',
        ' font-size="13">',
        f'<text x="10" y="24" font-weight="bold">{_heading(values)}</text>',
    ]
    for number, (server, value) in enumerate(ranked):
        y = 44 + number * (BAR + GAP)
        length = (WIDTH - LEFT - RIGHT) * value / ranked[0][1]
        ours = server == "mbuild"
        less = f" ({values['mbuild'] / value:.1f}x less)" if "mbuild" in values and not ours else ""
        parts.append(f'<text x="{LEFT - 10}" y="{y + 17}" text-anchor="end">{title(server)}</text>')
        colour = "#2a6f97" if ours else "#adb5bd"
        parts.append(f'<rect x="{LEFT}" y="{y}" width="{length:.1f}" height="{BAR}" fill="{colour}"/>')
        parts.append(f'<text x="{LEFT + length + 8:.1f}" y="{y + 17}">{value:,.0f}{less}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _heading(values: dict[str, float]) -> str:
    return "W1: requests a second, 32 connections, one core" if values else "W1 was not measured"
