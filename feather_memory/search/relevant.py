"""Which memories are relevant enough to be returned, where a question says how much is."""

from __future__ import annotations

import numpy as np

from feather_memory.index.view import View
from feather_memory.search.question import Question, WordsAsked
from feather_memory.types import Mask


def relevant(view: View, question: Question, words: WordsAsked | None, eligible: Mask) -> Mask:
    """Which memories are relevant enough: none where none is as much as the question wants.

    Beside one that is, half as much is enough: evidence often stands by its neighbours.
    """
    least, n, matrix = question.min_relevance, len(view), view.matrix
    by_words, d = np.zeros(n), question.dense_weight
    if words is not None and words.whole > 0:
        by_words += (1 - d) * np.minimum(words.bm25 / words.whole, 1.0)
    absolute = by_words
    if question.vector is not None and matrix is not None:
        absolute = by_words + d * matrix.products(question.vector, n).clip(0.0, 1.0)
        if matrix.is_rounded:  # what is on the edge is looked at here
            off = np.minimum(abs(absolute - least), abs(absolute - least / 2))
            near = np.flatnonzero(eligible & (off <= matrix.slack))
            sure = matrix.sure_at(question.vector, near).clip(0.0, 1.0)
            absolute[near] = by_words[near] + d * sure
    is_answered = absolute.max(where=eligible, initial=0.0) >= least
    return eligible & (absolute >= least / 2) if is_answered else np.zeros(n, np.bool_)
