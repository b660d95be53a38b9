"""Answers as HTML, for notebooks. Everything that came from a caller is escaped.

Nothing here is fetched or scripted: what is clicked has the focus, and shows more by its style.
Text takes the page's own colour, so that it reads on a light page and on a dark one.
"""

from __future__ import annotations

import math
import re
import textwrap
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from feather_memory.errors import MissingExtraError

Node = tuple[str, str, int, float]  # id, text, hop, score
Link = tuple[str, str, str, float]  # source, target, type, weight
Point = tuple[float, float]


# Middle tones, which stand out from white and from black.
_COLOURS = {
    "similarity": "#4c8bf5",
    "lexical": "#2a9d8f",
    "recency": "#e0a030",
    "inherited": "#9b7bd4",
}
_TAKEN, _GIVEN = "#888888", "#d33682"  # what importance or a layer takes away, or adds
_LINE, _REPLACES = "#888888", "#e07020"
_HOPS = ("#4c8bf5", "#2a9d8f", "#9b7bd4")

# Pixels
_BAR, _BAR_HEIGHT = 160, 10
_COLUMN, _ROW, _MARGIN = 320, 100, 100
_ARCH = 44  # room above for edges that pass over a column
_SMALLEST, _GROWTH = 9, 13  # a node's radius: at score 0, and what the best score adds
_ARROW = 8
_LABEL_WIDTH, _LABEL_LINES = 26, 2  # characters, lines
_NARROWEST, _LETTER, _LINE_HEIGHT, _PANEL_LINES = 420, 6.4, 16, 8

# What is clicked, or reached by the tabulator key, is told below the graph, and its links stand
# out. The hiding attribute is the weaker of the two: without the style nothing is shown at once.
_STYLE = (
    ".feather-memory{cursor:pointer;outline:none}"
    ".feather-memory:focus circle{stroke:currentColor;stroke-width:3}"
    ".feather-memory:focus .feather-about{display:inline}"
    ".feather-graph:focus-within .feather-hint{display:none}"
)
_HINT = "Click a memory to read all of it."

_UNPRINTABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """An HTML table; long cells are shortened to 300 characters."""
    return _table(titles, ([_safe(shorten(cell, 300)) for cell in row] for row in rows))


def hits(rows: Iterable[tuple[float, str, str, str, Mapping[str, float]]]) -> str:
    """Answers as an HTML table, each score with a bar of what it is made of.

    Args:
        rows: (score, text, since, what it replaces, parts of the score), best first.
    """
    answers = list(rows)
    if not answers:
        return "<p>No memory was found.</p>"
    widest = max(sum(p for p in parts.values() if p > 0) for *_, parts in answers) or 1.0
    return _table(
        ["", "score", "memory", "since", "replaces", "made of"],
        (
            [
                str(rank),
                f"<b>{score:.3f}</b>",
                _safe(shorten(text, 300)),
                f'<span style="white-space:nowrap">{_safe(since)}</span>',
                _safe(shorten(replaces, 60)),
                _bar(parts, widest),
            ]
            for rank, (score, text, since, replaces, parts) in enumerate(answers, 1)
        ),
    )


def graph(
    nodes: Iterable[Node],
    edges: Iterable[Link],
    about: Mapping[str, str] | None = None,
) -> str:
    """A context chain as an inline SVG: hops from left to right, better answers larger.

    Whoever clicks a memory reads all of it below, and sees which links are its.

    Args:
        nodes: (id, text, hop, score), best first.
        edges: (source, target, type, weight); one that ends outside the nodes is not drawn.
        about: By id, what is to be told of a memory that is clicked, besides its text and score.
    """
    drawn = list(nodes)
    if not drawn:
        return "<p>No memory was found.</p>"
    links = [edge for edge in edges if {edge[0], edge[1]} <= {node[0] for node in drawn}]
    places, width, height = _places(drawn, links)
    width = max(width, _NARROWEST)
    best = max(score for *_, score in drawn)
    sizes = {
        id_: _SMALLEST + _GROWTH * math.sqrt(max(0.0, score) / best if best > 0 else 0.0)
        for id_, _, _, score in drawn
    }
    numbers = {node[0]: number for number, node in enumerate(drawn)}
    seen: Counter[frozenset[str]] = Counter()
    lines = []
    for link in links:
        pair = frozenset(link[:2])
        own = " ".join(sorted({f"feather-of{numbers[end]}" for end in link[:2]}))
        lines.append(_edge(link, places, sizes, nth=seen[pair], own=own))
        seen[pair] += 1
    panels = [_panel(node, (about or {}).get(node[0], ""), width) for node in drawn]
    circles = [
        _node(node, places[node[0]], sizes[node[0]], number, _lines(panel, height))
        for number, (node, panel) in enumerate(zip(drawn, panels, strict=True))
    ]
    hint = f'<g class="feather-hint" opacity="0.6">{_lines([_HINT], height)}</g>'
    style = _STYLE + "".join(_standing_out(number) for number in range(len(drawn)))
    height += _LINE_HEIGHT * (max(map(len, panels)) + 1)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="feather-graph" width="{width}" '
        f'height="{height}" viewBox="0 0 {width} {height}" style="max-width:100%;height:auto" '
        'font-family="system-ui, sans-serif" font-size="12" fill="currentColor">'
        f"<title>{len(drawn)} memories and {len(links)} links</title><style>{style}</style>"
        f"{''.join(lines)}{''.join(circles)}{hint}</svg>"
    )


def to_networkx(nodes: Iterable[Node], edges: Iterable[Link]) -> Any:
    """The same as a `networkx.MultiDiGraph`.

    A node has `text`, `score` and `hop`; an edge its type and `weight`.

    Raises:
        MissingExtraError: networkx is not installed.
    """
    try:
        import networkx as nx
    except ImportError as error:
        raise MissingExtraError("networkx", "notebook") from error
    drawn = nx.MultiDiGraph()
    for name, text, hop, score in nodes:
        drawn.add_node(name, text=text, score=score, hop=hop)
    for source, target, type_, weight in edges:
        drawn.add_edge(source, target, key=type_, weight=weight)
    return drawn


def shorten(text: str, width: int) -> str:
    """The text on one line, with an ellipsis where it is cut to `width` characters."""
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 1] + "…"


def _safe(text: str) -> str:
    """Escaped for HTML and XML; what XML cannot hold becomes the replacement character."""
    return escape(_UNPRINTABLE.sub("\ufffd", text))


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are HTML already."""
    left = 'style="text-align:left;vertical-align:top"'
    head = "".join(f"<th {left}>{_safe(title)}</th>" for title in titles)
    body = "".join(f"<tr>{''.join(f'<td {left}>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _bar(parts: Mapping[str, float], widest: float) -> str:
    """What adds to the score, end to end; what takes from it lies under the end in grey."""
    x, pieces, names = 0.0, [], []
    gains = sorted(parts.items(), key=lambda part: part[1] < 0)  # stable: what takes comes last
    for name, part in gains:
        if round(part, 3) == 0:
            continue
        colour = _COLOURS.get(name, _GIVEN) if part > 0 else _TAKEN
        length = abs(part) / widest * _BAR
        start, top = (x, 0) if part > 0 else (x - length, _BAR_HEIGHT // 2)
        pieces.append(
            f'<rect x="{start:.1f}" y="{top}" width="{length:.1f}" height="{_BAR_HEIGHT - top}" '
            f'fill="{colour}"/>'
        )
        names.append(
            f'<span style="white-space:nowrap"><span style="color:{colour}">■</span> '
            f"{_safe(name)} {part:+.3f}</span>"
        )
        x += part / widest * _BAR
    return (
        f'<svg width="{_BAR}" height="{_BAR_HEIGHT}" role="img">{"".join(pieces)}</svg>'
        f'<br/><span style="font-size:85%">{"  ".join(names)}</span>'
    )


def _places(nodes: Sequence[Node], edges: Sequence[Link]) -> tuple[dict[str, Point], int, int]:
    """Where each node stands, and the size of the drawing."""
    columns: dict[int, list[str]] = defaultdict(list)
    for id_, _, hop, _ in nodes:
        columns[hop].append(id_)
    near: dict[str, list[str]] = defaultdict(list)
    for source, target, *_ in edges:
        near[source].append(target)
        near[target].append(source)
    rows = max(len(column) for column in columns.values())
    places: dict[str, Point] = {}
    for at, hop in enumerate(sorted(columns)):
        heights = dict.fromkeys(columns[hop], math.inf)
        for id_ in heights:  # beside its links' ends further left it crosses fewer lines
            if left := [places[other][1] for other in near[id_] if other in places]:
                heights[id_] = sum(left) / len(left)
        column = sorted(columns[hop], key=heights.__getitem__)
        top = (rows - len(column)) / 2 * _ROW
        for row, id_ in enumerate(column):
            places[id_] = (_MARGIN + at * _COLUMN, _ARCH + top + row * _ROW + _ROW / 2 - 8)
    width = 2 * _MARGIN + (len(columns) - 1) * _COLUMN
    last = width - _MARGIN
    if any(places[source][0] == places[target][0] == last for source, target, *_ in edges):
        width += _MARGIN  # edges inside the last column bulge out of it
    return places, width, _ARCH + rows * _ROW + 8


def _node(node: Node, place: Point, radius: float, number: int, panel: str) -> str:
    id_, text, hop, score = node
    x, y = place
    lines = textwrap.wrap(shorten(text, 300), _LABEL_WIDTH, max_lines=_LABEL_LINES, placeholder="…")
    label = "".join(
        f'<tspan x="{x:.1f}" dy="{14 if at else 0}">{_safe(line)}</tspan>'
        for at, line in enumerate(lines)
    )
    title = _safe(f"{shorten(text, 300)}\n{id_}: score {score:.3f}, hop {hop}")
    return (
        f'<g class="feather-memory feather-is{number}" tabindex="0" role="button">'
        f'<title>{title}</title><circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" '
        f'fill="{_HOPS[min(hop, len(_HOPS) - 1)]}"/>'
        f'<text x="{x:.1f}" y="{y + radius + 14:.1f}" text-anchor="middle">{label}</text>'
        f'<g class="feather-about" display="none">{panel}</g></g>'
    )


def _panel(node: Node, about: str, width: float) -> list[str]:
    """What is told of a memory that is clicked: its text, and what else there is, by lines."""
    id_, text, hop, score = node
    room = int((width - 2 * _ARROW) / _LETTER)
    told = f"{id_}: score {score:.3f}, hop {hop}" + (f", {about}" if about else "")
    said = textwrap.wrap(shorten(text, 2_000), room, max_lines=_PANEL_LINES, placeholder="…")
    return [*said, *textwrap.wrap(shorten(told, 300), room, max_lines=2, placeholder="…")]


def _lines(lines: Sequence[str], top: float) -> str:
    return "".join(
        f'<text x="{_ARROW}" y="{top + (at + 1) * _LINE_HEIGHT}">{_safe(line)}</text>'
        for at, line in enumerate(lines)
    )


def _standing_out(number: int) -> str:
    """While this memory has the focus, links of others are pale."""
    return (
        f".feather-graph:has(.feather-is{number}:focus) "
        f".feather-link:not(.feather-of{number}){{opacity:0.2}}"
    )


def _edge(
    link: Link, places: Mapping[str, Point], sizes: Mapping[str, float], *, nth: int, own: str
) -> str:
    """A curve with an arrow head and its type; the nth between two nodes bends further out.

    Args:
        link: What is drawn.
        places: Where its ends are.
        sizes: And their radius.
        nth: How many were drawn between the two.
        own: The classes that say whose it is.
    """
    source, target, type_, weight = link
    a, b = places[source], places[target]
    bend, is_same_column = _bend(a, b, nth)
    start = _towards(a, bend, sizes[source] + 2)
    tip = _towards(b, bend, sizes[target] + 2)
    end = _towards(tip, bend, _ARROW)
    middle = tuple((p + 2 * q + r) / 4 for p, q, r in zip(start, bend, end, strict=True))
    colour = _REPLACES if type_ == "supersedes" else _LINE
    dashes = ' stroke-dasharray="6 4"' if type_ == "supersedes" else ""
    name = shorten(type_, 24) + ("" if weight == 1 else f" {weight:.2g}")
    x, y = (middle[0] + 6, middle[1] + 4)
    if not is_same_column:  # above the line, and higher where it is steep
        slope = abs(b[1] - a[1]) / abs(b[0] - a[0])
        x, y = (middle[0], middle[1] - 5 - slope * 3 * len(name))
    return (
        f'<g class="feather-link {own}">'
        f"<title>{_safe(f'{source} {type_} {target}, weight {weight:g}')}</title>"
        f'<path d="M{_at(start)} Q{_at(bend)} {_at(end)}" fill="none" stroke="{colour}" '
        f'stroke-width="{1 + weight:.1f}"{dashes}/>'
        f'<polygon points="{_head(tip, end)}" fill="{colour}"/>'
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="11" fill="{colour}" '
        f'text-anchor="{"start" if is_same_column else "middle"}">{_safe(name)}</text></g>'
    )


def _bend(a: Point, b: Point, nth: int) -> tuple[Point, bool]:
    """The point that a curve from a to b is drawn towards; whether both are in one column."""
    x, y = (a[0] + b[0]) / 2, (a[1] + b[1]) / 2
    across = abs(b[0] - a[0])
    if across == 0:  # bulge to the right, past the labels between the two
        return (x + 165 + 0.1 * abs(b[1] - a[1]) + 40 * nth, y), True
    outwards = 36 * nth + 110 * max(0.0, across / _COLUMN - 1)  # over what stands in between
    return (x, y - outwards), False


def _towards(a: Point, b: Point, distance: float) -> Point:
    length = math.dist(a, b) or 1.0
    return (a[0] + (b[0] - a[0]) / length * distance, a[1] + (b[1] - a[1]) / length * distance)


def _head(tip: Point, end: Point) -> str:
    """The corners of an arrow head that ends at `tip`."""
    dx, dy = (tip[0] - end[0]) / 2, (tip[1] - end[1]) / 2
    sides = [tip, (end[0] - dy, end[1] + dx), (end[0] + dy, end[1] - dx)]
    return " ".join(_at(side) for side in sides)


def _at(point: Sequence[float]) -> str:
    return f"{point[0]:.1f},{point[1]:.1f}"
