"""All memories of a store at one generation, as arrays that never change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from feather_memory.index.approximate import Approximation
from feather_memory.index.edges import EdgesInStep
from feather_memory.index.fields import Fields
from feather_memory.index.liked import Liked
from feather_memory.index.matrix import Matrix
from feather_memory.index.positions import positions_in
from feather_memory.index.postings import Postings
from feather_memory.index.recent import Shared
from feather_memory.index.sketch import Sketch
from feather_memory.index.supersessions import Supersessions
from feather_memory.index.turns import TurnsInStep
from feather_memory.truth.state import State
from feather_memory.types import Numbers, Positions, Vector


@dataclass(frozen=True, slots=True)
class Lineage:
    """What knows memories by their position: shared by the Views that come of one beginning."""

    fields: Fields = field(default_factory=Fields)
    approximation: Approximation = field(default_factory=Approximation)
    sketch: Sketch = field(default_factory=Sketch)
    edges: EdgesInStep = field(default_factory=EdgesInStep)
    turns: TurnsInStep = field(default_factory=TurnsInStep)

    def renewed(self, n: int) -> Lineage:
        """That of a fork: of the first n memories, where others may have been half way further."""
        return Lineage(
            fields=self.fields.renewed(),
            sketch=self.sketch.first(n),
            edges=self.edges.renewed(),
            turns=self.turns.first(n),
        )


@dataclass(frozen=True, slots=True)
class View:
    """Arrays of length n, in order of the memories' rows.

    Later writes make another View, which shares what they left alone.
    """

    generation: int
    rows: npt.NDArray[np.int64]
    columns: Mapping[str, Numbers]
    """The numbers of each memory by field, in double precision; NaN stands for none."""
    until: Numbers
    """The first of valid_to and expires_at, inf if open, −inf for a row that is gone."""
    stretched: Vector
    importance: Vector
    """In single precision, for ranking."""
    words: Postings
    state: State
    """What the truth said of itself then."""
    matrix: Matrix | None
    """None while no memory has a vector."""
    supersessions: Supersessions
    lineage: Lineage
    timing: int = 0
    """In Views of one lineage with the same number the same memories hold, from when until when."""
    liked: Liked | None = None
    """None while no like remembers its question."""
    shared: Shared = field(default_factory=Shared, repr=False, compare=False)
    """What searches of these arrays found so far: a View of others has one of its own."""

    def __len__(self) -> int:
        return len(self.rows)

    def positions(self, rows: Sequence[int] | npt.NDArray[np.int64]) -> Positions:
        """Where these rows stand; those the View does not have are left out."""
        return positions_in(self.rows, rows)
