"""What notebooks show: well-formed, escaped, and about the same memories as the answer."""

import re
import sys
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feather_memory import display
from feather_memory.checks import when
from feather_memory.errors import MissingExtraError
from feather_memory.model.hits import ContextChain, Hit, Hits, Score
from feather_memory.model.memory import Edge, Memory

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "</script><script>alert(1)</script> \"quoted\" 'and' & <b onmouseover=x>\x00\ud800\ufffe"

texts = st.text(max_size=60) | st.just(HOSTILE)
names = st.text(min_size=1, max_size=8) | st.sampled_from(["a", "b", 'c"<&'])
scores = st.floats(0, 2)


def parsed(html):
    return ET.fromstring(f"<div>{html}</div>")  # noqa: S314  we wrote it


def chain_of(texts_by_id, edges=()):
    return ContextChain(
        hits=tuple(
            Hit(memory=Memory(id=id_, text=text), score=Score(value=1 / (at + 1)), hop=at % 3)
            for at, (id_, text) in enumerate(texts_by_id.items())
        ),
        edges=tuple(
            Edge(source=source, target=target, type=type_, weight=weight)
            for source, target, type_, weight in edges
        ),
    )


def test_hostile_text_stays_text_wherever_it_is_shown():
    memory = Memory(id=HOSTILE, text=HOSTILE, metadata={HOSTILE: HOSTILE}, supersedes=(HOSTILE,))
    hit = Hit(memory=memory, score=Score(value=0.5, similarity=0.5))
    edge = Edge(source=HOSTILE, target=HOSTILE, type=HOSTILE)
    shown = [
        memory._repr_html_(),
        Hits([hit])._repr_html_(),
        ContextChain(hits=(hit,), edges=(edge,))._repr_html_(),
        display.table([HOSTILE], [[HOSTILE]]),
        display.hits([(0.5, HOSTILE, HOSTILE, HOSTILE, {HOSTILE: 0.5})]),
    ]

    for html in shown:
        assert {element.tag.removeprefix(SVG) for element in parsed(html).iter()} <= {
            "div", "p", "b", "br", "span", "table", "thead", "tbody", "tr", "th", "td",
            "svg", "g", "title", "style", "path", "polygon", "circle", "rect", "text", "tspan",
        }  # fmt: skip
        html.encode()


@given(
    st.lists(
        st.tuples(names, texts, st.integers(0, 4), scores), max_size=8, unique_by=lambda n: n[0]
    ),
    st.lists(st.tuples(names, names, names, st.floats(0.01, 1)), max_size=8),
)
def test_a_graph_draws_each_node_and_each_edge_between_them_and_nothing_else(nodes, edges):
    drawing = parsed(display.graph(nodes, edges))

    ids = {node[0] for node in nodes}
    assert len(drawing.findall(f".//{SVG}circle")) == len(nodes)
    inside = [edge for edge in edges if edge[0] in ids and edge[1] in ids]
    assert len(drawing.findall(f".//{SVG}path")) == len(inside)
    assert len(drawing.findall(f".//{SVG}polygon")) == len(inside)


def test_a_graph_stays_inside_its_frame_and_loads_nothing():
    nodes = [(str(n), f"memory {n}", n % 3, 1 / (n + 1)) for n in range(12)]
    edges = [(str(n), str((n * 5 + 1) % 12), "supports", 0.5) for n in range(12)]

    html = display.graph(nodes, edges)

    svg = parsed(html)[0]
    width, height = float(svg.get("width")), float(svg.get("height"))
    for circle in svg.iter(f"{SVG}circle"):
        x, y, radius = (float(circle.get(name)) for name in ("cx", "cy", "r"))
        assert radius <= x <= width - radius
        assert radius <= y <= height - radius
    for path in svg.iter(f"{SVG}path"):
        for x, y in re.findall(r"(-?[\d.]+),(-?[\d.]+)", path.get("d")):
            assert -40 <= float(x) <= width + 400
            assert -90 <= float(y) <= height
    assert "url(" not in html
    assert "href" not in html


def test_who_clicks_a_memory_reads_all_of_it_and_sees_which_links_are_its():
    text = "the deploy pipeline waits for two approvals and then for the canary " * 3
    drawing = parsed(
        display.graph(
            [("a", text, 0, 1.0), ("b", "B", 1, 0.5), ("c", "C", 1, 0.25)],
            [("a", "b", "supports", 1), ("b", "c", "refines", 1)],
            {"a": "since 2026-01-01"},
        )
    )[0]

    memories = [each for each in drawing if each.get("class", "").startswith("feather-memory ")]
    assert [each.get("tabindex") for each in memories] == ["0"] * 3
    panel = next(each for each in memories[0] if each.get("class") == "feather-about")
    assert panel.get("display") == "none"  # until the style shows it
    *said, told = [line.text for line in panel]
    assert " ".join(said) == text.strip()
    assert told == "a: score 1.000, hop 0, since 2026-01-01"
    height = float(drawing.get("height"))
    assert all(float(line.get("y")) < height for line in drawing.iter(f"{SVG}text"))
    style = drawing.find(f"{SVG}style").text
    assert ".feather-memory:focus .feather-about{display:inline}" in style
    assert ":has(.feather-is1:focus) .feather-link:not(.feather-of1)" in style
    links = [
        each.get("class").split() for each in drawing if "feather-link" in each.get("class", "")
    ]
    assert links == [
        ["feather-link", "feather-of0", "feather-of1"],
        ["feather-link", "feather-of1", "feather-of2"],
    ]


def test_a_chain_tells_of_a_memory_that_is_clicked_whose_it_is_and_since_when():
    memory = Memory(id="a", text="A", session="s", actor="ada", valid_from=when(0))
    html = ContextChain(
        hits=(Hit(memory=memory, score=Score(value=0.5), layer="team"),), edges=()
    )._repr_html_()

    panel = next(each for each in parsed(html).iter() if each.get("class") == "feather-about")
    _, *told = [line.text for line in panel]
    assert " ".join(told) == (
        "a: score 0.500, hop 0, since 1970-01-01, actor ada, session s, layer team"
    )


def test_later_hops_stand_further_right_and_better_answers_are_larger():
    drawing = parsed(display.graph([("a", "A", 0, 0.9), ("b", "B", 1, 0.3), ("c", "C", 2, 0)], []))

    circles = drawing.findall(f".//{SVG}circle")
    across = [float(circle.get("cx")) for circle in circles]
    sizes = [float(circle.get("r")) for circle in circles]
    assert across == sorted(set(across))
    assert sizes == sorted(set(sizes), reverse=True)


def test_a_supersedes_edge_has_another_stroke():
    nodes = [("new", "N", 0, 1.0), ("old", "O", 1, 0.5)]
    drawing = parsed(
        display.graph(nodes, [("new", "old", "supersedes", 1), ("new", "old", "refines", 1)])
    )

    replaces, refines = drawing.findall(f".//{SVG}path")
    assert replaces.get("stroke-dasharray")
    assert not refines.get("stroke-dasharray")
    assert replaces.get("stroke") != refines.get("stroke")
    assert replaces.get("d") != refines.get("d")


def test_an_edge_is_labelled_with_its_type_and_with_a_weight_below_one():
    nodes = [("a", "A", 0, 1.0), ("b", "B", 0, 0.5), ("c", "C", 1, 0.5)]
    html = display.graph(nodes, [("a", "b", "supports", 0.25), ("c", "a", "caused_by", 1)])

    assert ">supports 0.25<" in html
    assert ">caused_by<" in html


def test_nothing_found_says_so():
    assert "No memory" in chain_of({})._repr_html_()
    assert "No memory" in display.hits([])


def test_long_text_is_shortened_in_the_label_and_kept_in_the_tooltip():
    text = "the deploy pipeline waits for two approvals and then for the canary " * 3
    drawing = parsed(display.graph([("a", text, 0, 1.0)], []))

    lines = [span.text for span in drawing.iter(f"{SVG}tspan")]
    assert len(lines) == 2
    assert lines[-1].endswith("…")
    assert " ".join(text.split()) in next(drawing.iter(f"{SVG}g")).find(f"{SVG}title").text


@given(st.lists(st.dictionaries(st.sampled_from(["similarity", "layer", "x"]), st.floats(-1, 1))))
def test_a_bar_is_never_longer_than_its_box(rows):
    html = display.hits([(0.5, "text", "2026-01-01", "", parts) for parts in rows])

    for bar in parsed(html).iter("svg"):
        gains = [float(piece.get("width")) for piece in bar if piece.get("fill") != "#888888"]
        assert sum(gains) <= float(bar.get("width")) + 0.1 * len(gains)


def test_the_parts_of_a_score_are_named_with_what_they_add():
    score = Score(value=0.5, similarity=0.8, dense_weight=1, importance=0.5, importance_weight=0.2)
    html = display.hits([(0.5, "text", "2026-01-01", "m1", score.parts)])

    assert "similarity +0.800" in html
    assert "importance -0.080" in html
    assert "lexical" not in html


def test_networkx_gets_the_nodes_and_edges_with_their_attributes():
    pytest.importorskip("networkx")
    chain = chain_of(
        {"a": "A", "b": "B"}, [("a", "b", "supports", 0.5), ("a", "b", "caused_by", 1.0)]
    )

    drawn = chain.to_networkx()

    assert drawn.is_directed()
    assert dict(drawn.nodes["b"]) == {"text": "B", "score": 0.5, "hop": 1}
    assert {(s, t, key): weight for s, t, key, weight in drawn.edges(keys=True, data="weight")} == {
        ("a", "b", "supports"): 0.5,
        ("a", "b", "caused_by"): 1.0,
    }


def test_without_networkx_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "networkx", None)

    with pytest.raises(MissingExtraError, match=r"pip install 'feather-memory\[notebook\]'"):
        chain_of({"a": "A"}).to_networkx()


def test_a_memory_shows_only_what_it_has():
    html = Memory(id="a", text="A", created_at=when(0))._repr_html_()

    assert ">text<" in html
    assert "superseded_by" not in html
