"""Rule `workflow_graph`: the rules of a run and what they hand on, as an SVG in rows by stage.

The graph is that of the plan which Snakemake makes of the configuration. Rules of figures and of tables are one node
each; an edge that a longer way implies is left out. Long edges pass every row at a place of their own, rows are ordered
by the mean place of their neighbours (Sugiyama), so that few lines cross.
"""

from collections import Counter
from graphlib import TopologicalSorter
from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING

from scripts.common.jobs import job, whole_file
from scripts.workflow.plan import Planned, plan_of
from scripts.workflow.stages import stages

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

Graph = dict[str, set[str]]  # each node, and those it reads from
Place = tuple[str, int]  # a node in a row, or where the line to it passes a row above

LETTER, HEIGHT, ROW, GAP, LABEL, MARGIN = 7.25, 26, 52, 18, 104, 16  # pixels; LETTER of 12 px monospace
SWEEPS, ROUNDS = 24, 200  # for the order of rows, and for the places in them
INWARDS = 0.9  # everything is drawn a little to the middle, so that long lines do not wander off


def rule_graph(jobs: list[Planned]) -> tuple[Graph, dict[str, str], Counter[str]]:
    """Which rules read what which others wrote; the stage of each, and its jobs.

    An edge to an earlier stage is left out: it bounds how much lies on disk, and hands nothing on. So are rules that
    have no other.
    """
    stage = {
        node: name  # sorted, because Snakemake's plan has no order
        for name, here in stages(jobs).items()
        for node in sorted({_node(one.rule) for one in here if not _is_target(one)})
    }
    place = {name: number for number, name in enumerate(dict.fromkeys(stage.values()))}
    graph: Graph = {name: set() for name in stage}
    for one in jobs:
        node = _node(one.rule)
        for other in () if _is_target(one) else one.after:
            before = _node(jobs[other].rule)
            if before != node and before in stage and place[stage[before]] <= place[stage[node]]:
                graph[node].add(before)
    linked = set().union(*graph.values(), (node for node, before in graph.items() if before))
    graph = {node: before for node, before in graph.items() if node in linked}
    stage = {node: stage[node] for node in graph}
    return reduced(graph), stage, Counter(_node(one.rule) for one in jobs if not _is_target(one))


def _node(rule: str) -> str:
    """The rule, or what stands for it."""
    kind = rule.split("_", maxsplit=1)[0]
    return f"{kind}s" if kind in ("figure", "table") else rule


def _is_target(one: Planned) -> bool:
    """Does the rule only name others, and write nothing?"""
    return one.outputs == {one.rule}


def reduced(graph: Graph) -> Graph:
    """The graph without the edges that a longer way implies."""
    above: Graph = {}
    for node in TopologicalSorter(graph).static_order():
        above[node] = graph[node].union(*(above[other] for other in graph[node]))
    return {node: {one for one in before if not any(one in above[other] for other in before)}
            for node, before in graph.items()}  # fmt: skip


def rows_of(graph: Graph, stage: dict[str, str]) -> dict[str, int]:
    """The row of each node: below those of earlier stages, and below those of its own stage that it reads from."""
    depth: dict[str, int] = {}
    for node in TopologicalSorter(graph).static_order():
        depth[node] = max((depth[one] + 1 for one in graph[node] if stage[one] == stage[node]), default=0)
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


def ordered(lines: list[list[Place]], nodes: list[Place]) -> list[list[Place]]:
    """The places of every row from left to right: the order with the fewest crossings that the sweeps come by."""
    near = _neighbours(lines)
    found: dict[int, list[Place]] = {}
    for place in dict.fromkeys([*nodes, *(place for line in lines for place in line)]):
        found.setdefault(place[1], []).append(place)
    rows = [found[row] for row in sorted(found)]
    best = rows
    for sweep in range(SWEEPS):
        step = 1 if sweep % 2 == 0 else -1
        rows = [list(row) for row in rows]
        for number in range(len(rows))[::step][1:]:
            position = {place: index / len(row) for row in rows for index, place in enumerate(row, 1)}
            beside = [
                [position[one] for one in near.get(place, ()) if one[1] == number - step] for place in rows[number]
            ]
            means = [sum(ones) / len(ones) if ones else position[place]
                     for place, ones in zip(rows[number], beside, strict=True)]  # fmt: skip
            rows[number] = [place for _, place in sorted(zip(means, rows[number], strict=True))]
        best = min(best, rows, key=lambda order: crossings(order, near))
    return best


def _neighbours(lines: list[list[Place]]) -> dict[Place, list[Place]]:
    """The places that a line leads to or comes from."""
    near: dict[Place, dict[Place, None]] = {}
    for line in lines:
        for above, below in pairwise(line):
            near.setdefault(above, {})[below] = None
            near.setdefault(below, {})[above] = None
    return {place: list(ones) for place, ones in near.items()}


def crossings(rows: list[list[Place]], near: dict[Place, list[Place]]) -> int:
    """How many pairs of lines cross."""
    count = 0
    for row, below in pairwise(rows):
        index = {place: number for number, place in enumerate(below)}
        ends = [index[one] for place in row for one in sorted(near.get(place, ())) if one in index]
        count += sum(first > second for number, first in enumerate(ends) for second in ends[number + 1 :])
    return count


def placed(rows: list[list[Place]], near: dict[Place, list[Place]], width: dict[Place, float]) -> dict[Place, float]:
    """The middle of each place: as near to the mean of its neighbours as those beside it let it."""
    middle: dict[Place, float] = {}
    for row in rows:
        left = -sum(width[place] + GAP for place in row) / 2
        for place in row:
            middle[place] = left + width[place] / 2
            left += width[place] + GAP
    for sweep in range(ROUNDS):
        for row in rows if sweep % 2 == 0 else reversed(rows):
            beside = [[middle[one] for one in near.get(place, ())] or [middle[place]] for place in row]
            wanted = [INWARDS * sum(ends) / len(ends) for ends in beside]
            apart = [(width[one] + width[other]) / 2 + GAP for one, other in pairwise(row)]
            rightwards, leftwards = list(wanted), list(wanted)
            for number, least in enumerate(apart):
                rightwards[number + 1] = max(wanted[number + 1], rightwards[number] + least)
                leftwards[-number - 2] = min(wanted[-number - 2], leftwards[-number - 1] - apart[-number - 1])
            for place, *ends in zip(row, rightwards, leftwards, strict=True):
                middle[place] = sum(ends) / 2  # both keep the distances, so their mean does
    return middle


def drawing(graph: Graph, stage: dict[str, str], jobs: Counter[str]) -> str:
    """The SVG. Its colours are those of the page that it stands in."""
    rows = rows_of(graph, stage)
    texts = {node: f"{node} ×{jobs[node]}" if jobs[node] > 1 else node for node in graph}
    lines = lines_of(graph, rows)
    near = _neighbours(lines)
    order = ordered(lines, list(rows.items()))
    width = {place: len(texts[place[0]]) * LETTER + 16 if place in rows.items() else 2
             for row in order for place in row}  # fmt: skip
    middle = placed(order, near, width)
    left = min(middle[place] - width[place] / 2 for place in middle) - LABEL - MARGIN
    x = {place: round(middle[place] - left, 1) for place in middle}
    total = round(max(x[place] + width[place] / 2 for place in x) + MARGIN)
    parts = _bands(rows, stage, total)
    parts += dict.fromkeys(_curve(x, one, other) for line in lines for one, other in pairwise(line))
    parts += [_box(x[node, row], row, width[node, row], texts[node]) for node, row in rows.items()]
    said = "; ".join(f"{name}: {', '.join(one for one in graph if stage[one] == name)}" for name in _in_order(stage))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {total} {ROW * len(order)}" width="{total}" '
        f'height="{ROW * len(order)}" font-family="ui-monospace, DejaVu Sans Mono, monospace" font-size="12" '
        f'fill="currentColor" aria-labelledby="workflow_title workflow_rules">\n'
        f'<title id="workflow_title">The rules of this run and what they hand on</title>\n'
        f'<desc id="workflow_rules">{escape(said)}</desc>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _in_order(stage: dict[str, str]) -> list[str]:
    return list(dict.fromkeys(stage.values()))


def _bands(rows: dict[str, int], stage: dict[str, str], total: int) -> list[str]:
    """A band for each stage, with its name."""
    parts = []
    for number, name in enumerate(_in_order(stage)):
        own = [row for node, row in rows.items() if stage[node] == name]
        top, height = min(own) * ROW, (max(own) - min(own) + 1) * ROW
        shade = 0.07 if number % 2 == 0 else 0
        parts.append(f'<rect y="{top}" width="{total}" height="{height}" fill-opacity="{shade}"/>')
        parts.append(f'<text x="12" y="{top + ROW / 2 + 4}" font-weight="bold">{escape(name)}</text>')
    return parts


def _curve(x: dict[Place, float], above: Place, below: Place) -> str:
    """A line from one place to one in the next row."""
    top = above[1] * ROW + ROW / 2
    return (
        f'<path d="M{x[above]} {top} C{x[above]} {top + ROW / 2} {x[below]} {top + ROW / 2} {x[below]} {top + ROW}" '
        'fill="none" stroke="currentColor" stroke-opacity="0.6"/>'
    )


def _box(x: float, row: int, width: float, text: str) -> str:
    """A rule: opaque, because lines run to its middle."""
    y = row * ROW + (ROW - HEIGHT) / 2
    return (
        f'<rect x="{x - width / 2:.1f}" y="{y}" width="{width:.1f}" height="{HEIGHT}" rx="5" '
        f'style="fill: var(--page, Canvas)" stroke="currentColor"/>'
        f'<text x="{x}" y="{y + HEIGHT / 2 + 4}" text-anchor="middle">{escape(text)}</text>'
    )


if __name__ == "__main__":
    with job(snakemake), whole_file(snakemake.output[0]) as partial:
        partial.write_text(drawing(*rule_graph(plan_of(dict(snakemake.params.config)))), encoding="utf-8")
