# SPDX-License-Identifier: GPL-2.0
"""Draws the plots of "make bench" as SVG: cost over a key, with a line for each side."""

from math import ceil, floor, log10
from statistics import median

from harness.figures import Figure

WIDTH, HEIGHT = 420, 300
LEFT, RIGHT, TOP, BOTTOM = 60, 110, 40, 50
# side -> points
Lines = dict[str, list[tuple[float, float]]]

COLOURS = {"c": "#c0392b", "rust": "#2471a3"}


def lines(found: list[Figure], name: str, key: str, **having: object) -> Lines:
    """The points (value of the key, median) of each side, from the figures with these keys."""
    result: Lines = {}
    for f in found:
        if f.name != name or any(str(f.keys.get(k)) != str(v) for k, v in having.items()):
            continue
        for side, samples in f.sides.items():
            result.setdefault(side, []).append((float(f.keys[key]), median(samples)))
    return {side: sorted(points) for side, points in result.items() if len(points) > 1}


def panel(x0: int, title: str, x_label: str, x_log: bool, data: Lines,
          unit: str = "ms") -> list[str]:
    """Draw one plot, with a logarithmic vertical axis."""
    xs = sorted({x for points in data.values() for x, _ in points})
    ys = [y for points in data.values() for _, y in points]
    low, high = floor(log10(min(ys))), ceil(log10(max(ys)))
    high = max(high, low + 1)

    def across(x: float) -> float:
        a, b, v = (log10(xs[0]), log10(xs[-1]), log10(x)) if x_log else (xs[0], xs[-1], x)
        return x0 + LEFT + (v - a) / (b - a) * (WIDTH - LEFT - RIGHT)

    def up(y: float) -> float:
        return HEIGHT - BOTTOM - (log10(y) - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    out = [f'<text x="{x0 + LEFT}" y="20" font-weight="bold">{title}</text>',
           f'<text x="{x0 + LEFT}" y="{HEIGHT - 12}">{x_label}; vertical: {unit}</text>']
    for exponent in range(low, high + 1):
        y = up(10 ** exponent)
        out.append(f'<line x1="{x0 + LEFT}" x2="{x0 + WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" '
                   'stroke="#ddd"/>')
        out.append(f'<text x="{x0 + LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">'
                   f'{10 ** exponent:g}</text>')
    for x in xs:
        out.append(f'<text x="{across(x):.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">'
                   f'{x:g}</text>')
    for side, points in data.items():
        colour = COLOURS.get(side, "#555")
        path = " ".join(f"{across(x):.1f},{up(y):.1f}" for x, y in points)
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out += [f'<circle cx="{across(x):.1f}" cy="{up(y):.1f}" r="3" fill="{colour}"/>'
                for x, y in points]
        x, y = points[-1]
        out.append(f'<text x="{across(x) + 8:.1f}" y="{up(y) + 4:.1f}" fill="{colour}">'
                   f'{side}</text>')
    return out


def svg(found: list[Figure]) -> str | None:
    """Draw all plots that have figures; None if there are none."""
    most: dict[str, set[int]] = {}
    for f in found:
        if f.name == "ftrace-enable":
            most.setdefault(f.keys["ipi"], set()).add(int(f.keys["sites"]))
    panels: list[list[str]] = []
    for ipi, sites in most.items():
        for title, label, x_log, data in (
            (f"all functions traced ({ipi} IPIs)", "harts", False,
             lines(found, "ftrace-enable", "harts", ipi=ipi, sites=max(sites))),
            (f"functions traced, 4 harts ({ipi} IPIs)", "functions", True,
             lines(found, "ftrace-enable", "sites", ipi=ipi, harts=4)),
        ):
            if data:
                panels.append(panel(len(panels) * WIDTH, title, label, x_log, data))
    return document(panels)


def document(panels: list[list[str]]) -> str | None:
    """The plots beside each other; None if there are none."""
    if not panels:
        return None
    body = "\n".join(line for p in panels for line in p)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{len(panels) * WIDTH}" '
            f'height="{HEIGHT}" font-family="sans-serif" font-size="12">\n'
            f'<rect width="100%" height="100%" fill="white"/>\n{body}\n</svg>\n')
