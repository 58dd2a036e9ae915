"""Cost growth as SVG: a panel per operation, a line per engine, both axes logarithmic."""

import html
import math

COLOURS = {"Quarry": "#c0392b", "Quarry over HTTP": "#e59866", "DuckDB": "#b7950b", "SQLite": "#2471a3", "PostgreSQL": "#117864"}
WIDTH, HEIGHT, ACROSS = 300, 200, 3
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 28, 26


def growth(reports):
    sizes = [report["rows"] for report in reports]
    names = list(reports[0]["ops"])
    engines = list(dict.fromkeys(name for report in reports for op in report["ops"].values() for name in op))
    down = math.ceil(len(names) / ACROSS)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH * ACROSS}" height="{HEIGHT * down + 30}" '
             'font-family="sans-serif" font-size="10"><rect width="100%" height="100%" fill="white"/>']
    for at, engine in enumerate(engines):
        x = 20 + at * 150
        parts.append(f'<line x1="{x}" y1="14" x2="{x + 20}" y2="14" stroke="{COLOURS.get(engine, "#555")}" stroke-width="2"/>'
                     f'<text x="{x + 26}" y="18">{html.escape(engine)}</text>')
    for at, name in enumerate(names):
        left, top = at % ACROSS * WIDTH, at // ACROSS * HEIGHT + 30
        parts.append(panel(name, reports, sizes, engines, left, top))
    return "\n".join(parts) + "\n</svg>\n"


def panel(name, reports, sizes, engines, left, top):
    values = [each["min"] for report in reports for each in report["ops"].get(name, {}).values()]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    high = max(high, low + 1)
    first, last = math.log10(sizes[0]), max(math.log10(sizes[-1]), math.log10(sizes[0]) + 1)
    x = lambda rows: left + LEFT + (math.log10(rows) - first) / (last - first) * (WIDTH - LEFT - RIGHT)
    y = lambda ms: top + TOP + (high - math.log10(ms)) / (high - low) * (HEIGHT - TOP - BOTTOM)
    parts = [f'<text x="{left + LEFT}" y="{top + 16}" font-weight="bold">{html.escape(name)} (ms)</text>']
    for power in range(low, high + 1):
        at = y(10.0 ** power)
        parts.append(f'<line x1="{left + LEFT}" x2="{left + WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}" stroke="#ddd"/>'
                     f'<text x="{left + LEFT - 4}" y="{at + 3:.1f}" text-anchor="end">{10.0 ** power:g}</text>')
    for rows in sizes:
        parts.append(f'<text x="{x(rows):.1f}" y="{top + HEIGHT - 10}" text-anchor="middle">{rows:,}</text>')
    for engine in engines:
        points = [(report["rows"], report["ops"][name][engine]["min"]) for report in reports if engine in report["ops"].get(name, {})]
        line = " ".join(f"{x(rows):.1f},{y(ms):.1f}" for rows, ms in points)
        colour = COLOURS.get(engine, "#555")
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x(rows):.1f}" cy="{y(ms):.1f}" r="2.5" fill="{colour}"/>' for rows, ms in points]
    return "\n".join(parts)
