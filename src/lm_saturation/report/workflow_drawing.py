"""The rules of a run and what they hand on, as an SVG in rows by stage (Sugiyama, Tagawa and Toda 1981).

igraph orders every row so that few lines cross; a linear program then places boxes and lines so that lines are short
and straight (Gansner et al. 1993, section 4). An edge that a longer way implies is left out.
"""

from graphlib import TopologicalSorter
from importlib.resources import files
from itertools import pairwise
from typing import Any

import igraph
import jinja2
import numpy as np
from scipy.optimize import linprog

Graph = dict[str, set[str]]  # each node, and those it reads from
Place = tuple[str, int]  # a node in a row, or where the line to it passes a row above

LETTER, HEIGHT, ROW, GAP, LABEL, MARGIN = 7.25, 26, 52, 18, 104, 16  # pixels; LETTER of 12 px monospace
STRAIGHT = 8  # how much more it costs to bend a line where it passes a row than where it meets a box


def drawing(rules: dict[str, dict[str, Any]]) -> str:
    """The SVG of the rules, by name: their `stage`, how many `jobs` they have, and the rules they are `after`.

    Stages come in the order that they first have. The colours are those of the page that it stands in.
    """
    stage = {rule: facts["stage"] for rule, facts in rules.items()}
    text = {rule: f"{rule} ×{facts['jobs']}" if facts["jobs"] > 1 else rule for rule, facts in rules.items()}
    graph = reduced({rule: set(facts["after"]) for rule, facts in rules.items()})
    rows = rows_of(graph, stage)
    lines = lines_of(graph, rows)
    order = ordered(lines, rows)
    width = {place: len(text[place[0]]) * LETTER + 16 if rows[place[0]] == place[1] else 2
             for row in order for place in row}  # fmt: skip
    x = positions(order, lines, width)
    template = jinja2.Template(
        files("lm_saturation.report").joinpath("workflow.svg.jinja").read_text(encoding="utf-8"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return template.render(
        bands=_bands(rows, stage),
        segments=[(x[above], above[1], x[below]) for above, below in _segments(lines)],
        boxes=[(x[place], place[1], width[place], text[place[0]]) for place in rows.items()],
        total=round(max(x[place] + width[place] / 2 for place in x) + MARGIN),
        rows=len(order),
        height=HEIGHT,
        row=ROW,
    )


def reduced(graph: Graph) -> Graph:
    """The graph without the edges that a longer way implies."""
    above: Graph = {}
    for node in TopologicalSorter(graph).static_order():
        above[node] = graph[node].union(*(above[before] for before in graph[node]))
    return {node: {before for before in direct if not any(before in above[other] for other in direct)}
            for node, direct in graph.items()}  # fmt: skip


def rows_of(graph: Graph, stage: dict[str, str]) -> dict[str, int]:
    """The row of each node: below those of earlier stages, and below those of its own stage that it reads from."""
    depth: dict[str, int] = {}
    for node in TopologicalSorter(graph).static_order():
        depth[node] = max((depth[before] + 1 for before in graph[node] if stage[before] == stage[node]), default=0)
    first, row = {}, 0
    for name in dict.fromkeys(stage.values()):
        first[name] = row
        row += 1 + max(depth[node] for node in graph if stage[node] == name)
    return {node: first[stage[node]] + depth[node] for node in graph}


def lines_of(graph: Graph, rows: dict[str, int]) -> list[list[Place]]:
    """Every edge, downwards, as the places it passes.

    All edges out of a node share one line as far as the lowest of the nodes that they lead to.
    """
    return [
        [(before, row) for row in range(rows[before], rows[node])] + [(node, rows[node])]
        for node in sorted(graph, key=lambda name: (rows[name], name))
        for before in sorted(graph[node])
    ]


def ordered(lines: list[list[Place]], rows: dict[str, int]) -> list[list[Place]]:
    """The places of every row from left to right, so that few lines cross."""
    places = list(dict.fromkeys([*rows.items(), *(place for line in lines for place in line)]))
    number = {place: index for index, place in enumerate(places)}
    edges = [(number[above], number[below]) for above, below in _segments(lines)]
    graph = igraph.Graph(len(places), edges, directed=True)
    layout = graph.layout_sugiyama(layers=[row for _, row in places], maxiter=1000)
    found: dict[int, list[Place]] = {}
    for place in sorted(places, key=lambda place: layout[number[place]][0]):
        found.setdefault(place[1], []).append(place)
    return [found[row] for row in sorted(found)]


def positions(order: list[list[Place]], lines: list[list[Place]], width: dict[Place, float]) -> dict[Place, float]:
    """The middle of every place, in pixels: in this order, apart, and lines as short and straight as that allows."""
    number = {place: index for index, place in enumerate(place for row in order for place in row)}
    segments, places = _segments(lines), len(number)
    cost = np.r_[np.zeros(places), [STRAIGHT if width[a] == width[b] == 2 else 1 for a, b in segments]]
    constraints, bounds = [], []
    for left, right in (pair for row in order for pair in pairwise(row)):
        constraints.append({number[left]: 1.0, number[right]: -1.0})
        bounds.append(-(width[left] + width[right]) / 2 - GAP)
    for index, (above, below) in enumerate(segments, places):  # a length is at least the distance, either way
        for sign in (1.0, -1.0):
            constraints.append({number[above]: sign, number[below]: -sign, index: -1.0})
            bounds.append(0.0)
    matrix = np.zeros((len(constraints), len(cost)))
    for row, entries in enumerate(constraints):
        matrix[row, list(entries)] = list(entries.values())
    lowest = [LABEL + MARGIN + width[place] / 2 for place in number] + [0.0] * len(segments)
    solution = linprog(cost, matrix, bounds, bounds=[(bound, None) for bound in lowest], method="highs").x
    return {place: round(float(solution[index]), 1) for place, index in number.items()}


def _segments(lines: list[list[Place]]) -> list[tuple[Place, Place]]:
    """The pieces of lines from one row to the next, each once."""
    return list(dict.fromkeys(piece for line in lines for piece in pairwise(line)))


def _bands(rows: dict[str, int], stage: dict[str, str]) -> list[tuple[str, int, int, list[str]]]:
    """Each stage with its first row, how many it has, and its rules."""
    bands = []
    for name in dict.fromkeys(stage.values()):
        inside = {node: row for node, row in rows.items() if stage[node] == name}
        first = min(inside.values())
        bands.append((name, first, max(inside.values()) + 1 - first, list(inside)))
    return bands
