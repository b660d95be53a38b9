"""The files beside the truth: derived, mapped, and thrown away at the least doubt."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from feather_memory import config
from feather_memory.index import mapped
from feather_memory.index.approximate import Approximation
from feather_memory.index.edges import EdgeArrays, EdgesInStep
from feather_memory.index.fields import Fields, MappedFields
from feather_memory.index.hnsw import description_of
from feather_memory.index.matrix import Matrix, Rows
from feather_memory.index.postings import Postings
from feather_memory.index.sketch import Drawn, Sketch
from feather_memory.index.supersessions import Supersessions
from feather_memory.index.turns import TurnsInStep
from feather_memory.index.view import Lineage, View
from feather_memory.model.fields import COLUMNS
from feather_memory.model.formula import derived
from feather_memory.truth import atomic
from feather_memory.truth.contract import ReadTransaction
from feather_memory.truth.state import State
from feather_memory.types import Numbers, Positions, Vector

_log = logging.getLogger("feather_memory")
_BLOCK = 4_096  # rows written at once
_SUPERSEDED = "superseded.{}"
_ENDS = tuple(Supersessions.none().arrays())
SUPERSEDED = {*map(_SUPERSEDED.format, _ENDS)}
"""The arrays that supersessions are made of."""


def vectors_path(path: Path) -> Path:
    """Where the mapped vectors of the store at `path` lie."""
    return path.with_name(f"{path.name}.vectors")


def lists_path(path: Path) -> Path:
    """Where the arrays lie that have not one row for each memory, such as the postings."""
    return path.with_name(f"{path.name}.lists")


def hnsw_path(path: Path) -> Path:
    """Where the approximate index of the store at `path` lies."""
    return path.with_name(f"{path.name}.hnsw")


def read(path: Path, state: State) -> mapped.Snapshot | None:
    """What the mapped file holds if it belongs to this history.

    Its `large["vectors"]` are float32, of shape (n, dim), as many as its columns are long; so
    many memories its postings are of.
    """
    mark = state.snapshot or ""
    found, lists = (mapped.read(of(path), store_id=mark) for of in (vectors_path, lists_path))
    if found is None or lists is None or found.generation > state.generation:
        return None
    columns, large = found.columns | lists.columns, found.large | lists.large
    found = replace(found, columns=columns, large=large)
    vectors, rows = found.large.get("vectors"), found.columns.get("rows")
    if vectors is None or rows is None or vectors.dtype != np.float32:
        return None
    postings = Postings.over(found.large)
    if postings is None or len(postings.lengths) != len(rows):
        return None
    if not {*COLUMNS, *SUPERSEDED} <= found.columns.keys():
        return None  # an earlier release wrote it
    if not MappedFields.are_in(found.large):
        return None
    return found if vectors.shape == (len(rows), state.dimension) else None


def sketch_of(found: mapped.Snapshot) -> Sketch:
    """The sketch of the mapped file's vectors; without any if it was found not to pay."""
    judged, axes = (found.columns.get(name) for name in ("sketch_judged", "sketch_axes"))
    vectors, rows = found.large["vectors"], found.large.get("sketch")
    if judged is None or judged.shape != (1,):
        return Sketch()
    if axes is None or rows is None:
        return Sketch(judged=int(judged[0]))
    n, dim = vectors.shape
    if axes.ndim != 2 or len(axes) != dim or rows.shape != (n, axes.shape[1] + 1):
        return Sketch()
    if rows.dtype != np.float32:
        return Sketch()
    return Sketch(Drawn(axes, Rows(rows.shape[1], base=rows)), int(judged[0]))


def supersessions_in(found: mapped.Snapshot) -> Supersessions:
    """Those among the memories of a mapped file."""
    return Supersessions.of(*(found.columns[_SUPERSEDED.format(name)] for name in _ENDS))


def lineage_in(found: mapped.Snapshot) -> Lineage:
    """The sketch; and what is looked at when somebody filters by a field, or walks along edges."""
    fields = MappedFields(found.large, len(found.columns["rows"]))
    edges = EdgesInStep(partial(EdgeArrays.over, found.large, found.generation))
    turns = TurnsInStep(fields)
    return Lineage(fields=Fields(fields), sketch=sketch_of(found), edges=edges, turns=turns)


def read_approximation(path: Path, state: State, matrix: Matrix, n: int) -> Approximation:
    """The saved approximate index of the mapped file's n rows, if there is one; else an empty."""
    return Approximation.load(hnsw_path(path), mark=state.snapshot or "", matrix=matrix, n=n)


def view_at(path: Path | None, state: State) -> View:
    """The View of the mapped file if it belongs to this history; else that of an empty store."""
    if path is None or state.snapshot is None or (found := read(path, state)) is None:
        return of_nothing(state)
    rows = found.columns["rows"]
    numbers = {name: found.columns[name] for name in COLUMNS}
    made = _view(found.generation, rows, numbers, state)
    matrix = Matrix(found.large["vectors"].shape[1], base=found.large["vectors"])
    words = Postings.over(found.large) or made.words
    lineage = lineage_in(found)
    drawn = lineage.sketch.drawn
    if len(rows) * (matrix.dim if drawn is None else drawn.dim) >= config.HNSW_FLOATS:
        near = read_approximation(path, state, matrix, len(rows))
        lineage = replace(lineage, approximation=near)
    superseded = supersessions_in(found)
    return replace(made, words=words, matrix=matrix, supersessions=superseded, lineage=lineage)


def of_nothing(state: State) -> View:
    """From which all is read anew."""
    return _view(0, np.empty(0, np.int64), dict.fromkeys(COLUMNS, np.empty(0)), state)


def _view(
    generation: int, rows: npt.NDArray[np.int64], numbers: Mapping[str, Numbers], state: State
) -> View:
    """A View without words and vectors."""
    until, stretched, importance = derived(numbers)
    return View(
        generation=generation,
        rows=rows,
        columns=dict(numbers),
        until=until,
        stretched=stretched,
        importance=importance,
        words=Postings.of_nothing(),
        state=replace(state),
        matrix=None,
        supersessions=Supersessions.none(),
        lineage=Lineage(),
    )


@contextmanager
def or_discarded(path: Path) -> Iterator[None]:
    """If the derived files cannot be written there are none: the truth is complete without."""
    try:
        yield
    except OSError as error:  # a full disk, say
        discard(path)
        _log.warning("the mapped vectors of %s were not written: %s", path, error)


@dataclass(frozen=True, slots=True)
class Prepared:
    """What the mapped file of a generation holds that has to be read from the truth."""

    generation: int
    live: Positions
    arrays: Mapping[str, npt.NDArray[Any]]

    @classmethod
    def of(cls, view: View, transaction: ReadTransaction) -> Self:
        """That of a View, and of a transaction of its moment."""
        live = np.flatnonzero(view.until > -np.inf)
        edges = view.lineage.edges.at(lambda: transaction, view.rows, view.generation)
        fields = view.lineage.fields.arrays(transaction, view.rows, live)
        return cls(view.generation, live, edges.among(live, len(view)).arrays() | fields)


def write_all(path: Path, view: View, prepared: Prepared, mark: str) -> None:
    """Write the mapped file of a View, and the approximate index if it holds just the same."""
    near = view.lineage.approximation
    write(vectors_path(path), view, prepared, mark)
    words = view.words.of_live(view.until > -np.inf).arrays()
    superseded = view.supersessions.among(prepared.live, len(view))
    write_lists(
        lists_path(path),
        superseded,
        {**words, **prepared.arrays},
        generation=view.generation,
        mark=mark,
    )
    if near.covered == len(view) == np.count_nonzero(view.until > -np.inf):
        near.save(hnsw_path(path), mark=mark, generation=view.generation)


def is_stale(view: View) -> bool:
    """Whether the View is large, and too much of it is not in the mapped file yet."""
    live = int(np.count_nonzero(view.until > -np.inf))
    if view.matrix is None or live < config.SNAPSHOT_ROWS:
        return False
    known, _ = view.matrix.blocks(len(view))
    return len(view) - len(known) > config.SNAPSHOT_TAIL * live or len(view) - live > live


def write(path: Path, view: View, prepared: Prepared, mark: str) -> None:
    """Write the rows of the live memories of a View that has vectors."""
    live = prepared.live
    columns = {"rows": view.rows, **view.columns}
    kept = {name: values[live] for name, values in columns.items()}
    large = {"vectors": _blocks(Matrix(0) if view.matrix is None else view.matrix, live)}
    sketch = view.lineage.sketch
    kept["sketch_judged"] = np.array([sketch.judged])
    if (drawn := sketch.drawn) is not None:
        kept["sketch_axes"] = drawn.axes
        large["sketch"] = _blocks(drawn.rows, live)
    mapped.write(path, store_id=mark, generation=view.generation, columns=kept, large=large)


def write_lists(
    path: Path,
    superseded: Supersessions,
    arrays: Mapping[str, npt.NDArray[Any]],
    *,
    generation: int,
    mark: str,
) -> None:
    """Write what has not one row for each memory: supersessions, postings, edges and fields."""
    columns = {_SUPERSEDED.format(name): each for name, each in superseded.arrays().items()}
    large = {name: [array] for name, array in arrays.items()}
    mapped.write(path, store_id=mark, generation=generation, columns=columns, large=large)


def _blocks(rows: Rows, live: Positions) -> Iterator[Vector]:
    for start in range(0, max(1, len(live)), _BLOCK):  # of nothing, one block without rows
        yield rows.take(live[start : start + _BLOCK])


def discard(path: Path) -> None:
    """Remove every derived file of the store at `path`."""
    for each in _derived(path):
        atomic.discard(each)


def discard_approximation(path: Path) -> None:
    """Remove the approximate index of the store at `path`."""
    for each in _derived(path)[2:]:
        atomic.discard(each)


def companions(path: Path) -> list[Path]:
    """All that is derived and may lie beside the truth at `path`."""
    return [*_derived(path), *leftovers(path)]


def leftovers(path: Path) -> list[Path]:
    """What those who were killed while they wrote a derived file have left of it."""
    return [left for each in _derived(path) for left in atomic.leftovers(each)]


def _derived(path: Path) -> list[Path]:
    near = hnsw_path(path)
    return [vectors_path(path), lists_path(path), near, description_of(near)]


def faults(path: Path) -> list[str]:
    """What is wrong with the derived files; a missing one is not."""
    return [
        f"{each.name}: {fault}"
        for each in (vectors_path(path), lists_path(path))
        for fault in mapped.verify(each)
    ]


def lost(path: Path, state: State) -> list[str]:
    """Commits that a derived file knows of and the truth does not; a missing file knows of none."""
    known = max(mapped.generation(of(path)) for of in (vectors_path, lists_path))
    if known <= state.generation:
        return []
    name = vectors_path(path).name
    return [f"commits are lost: {name} knows of {known:,}, and the file has {state.generation:,}"]


def derived_bytes(path: Path) -> int:
    """Size of the derived files."""
    return sum(each.stat().st_size for each in companions(path) if each.exists())
