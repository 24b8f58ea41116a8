"""A bar chart as SVG, drawn by hand: requests per second at 32 connections."""

WIDTH, BAR, GAP, LEFT = 720, 28, 14, 110


def bars(summary: dict) -> str:
    """One bar a server, the longest fills the width."""
    values = {name: counts["32"]["requests_per_second"] for name, counts in summary["servers"].items()}
    top = max(values.values())
    height = len(values) * (BAR + GAP) + 50
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif"'
            ' font-size="14">'
        ),
        '<text x="10" y="24" font-weight="bold">Requests per second, 32 connections, one core</text>',
    ]
    for number, (name, value) in enumerate(sorted(values.items(), key=lambda item: -item[1])):
        y = 44 + number * (BAR + GAP)
        length = (WIDTH - LEFT - 110) * value / top
        parts.append(f'<text x="{LEFT - 10}" y="{y + 19}" text-anchor="end">{name}</text>')
        parts.append(f'<rect x="{LEFT}" y="{y}" width="{length:.1f}" height="{BAR}" fill="#2a6f97"/>')
        parts.append(f'<text x="{LEFT + length + 8:.1f}" y="{y + 19}">{value:,.0f}</text>')
    return "\n".join([*parts, "</svg>", ""])
