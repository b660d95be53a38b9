"""What a store must answer, computed the slow and obvious way. It shares no code with the store."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

# Ranking


def bm25(texts, words):
    """BM25 (k1 = 1.2, b = 0.3, Lucene's idf) of each text for a query of words.

    That of a text of over 75 words is divided by the root of how many times as long it is.
    """
    counts = [Counter(text.split()) for text in texts]
    lengths = [len(text.split()) for text in texts]
    average = sum(lengths) / len(lengths)
    totals = [0.0] * len(texts)
    for word in words:
        holding = sum(word in count for count in counts)
        idf = math.log(1 + (len(texts) - holding + 0.5) / (holding + 0.5))
        for at, (count, length) in enumerate(zip(counts, lengths, strict=True)):
            if f := count[word]:
                full = f * 2.2 / (f + 1.2 * (0.7 + 0.3 * length / average))
                totals[at] += idf * full / math.sqrt(max(1, length / 75))
    return np.array(totals)


def cosines(vectors, query):
    """The cosine of each vector (None: 0) with the query, in double precision."""
    query = np.asarray(query, np.float64)
    found = []
    for vector in vectors:
        if vector is None or not np.any(vector) or not np.any(query):
            found.append(0.0)
            continue
        v = np.asarray(vector, np.float64)
        found.append(float(v @ query) / math.sqrt(float(v @ v) * float(query @ query)))
    return np.array(found)


def scaled(cosine, eligible):
    """Each cosine between what is usual among the first 1,024 and the best of the eligible."""
    usual = [x for x in cosine[:1024].tolist() if x != 0]
    low = 0.0
    if usual:
        mean = sum(usual) / len(usual)
        squares = sum((x - mean) ** 2 for x in usual)
        spread = math.sqrt((squares + 10 * 0.1**2) / (len(usual) + 10))
        low = max(-1.0, math.floor((mean - 2.5 * spread) * 100) / 100)
    best = max(cosine[eligible], default=0.0)
    similar = np.clip(1 - (best - cosine) / max(best - low, 0.1), 0.0, 1.0)
    return np.where(cosine == 0, 0.0, similar)  # of a memory without a vector


def said(own, eligible, turns, speaker=None):
    """What a conversation adds to each memory's own relevance, one turn at a time.

    `turns` has a dict for each memory: session, at (its place in time), actor, origin, is_question
    and is_turn, as far as they are not None or False.
    """
    n = len(own)
    sessions = {}
    for at, turn in enumerate(turns):
        if turn.get("session") is not None:
            sessions.setdefault(turn["session"], []).append(at)
    beside = {at: [] for at in range(n)}
    before = {}
    for members in sessions.values():
        members.sort(key=lambda at: (turns[at]["at"], at))
        spoken = [at for at in members if turns[at].get("is_turn", True)]
        for one, other in pairwise(spoken):
            beside[one].append(other)
            beside[other].append(one)
            before[other] = one
    is_answered = any(turn.get("origin") in {"assistant", "tool"} for turn in turns)
    alone = [
        own[at] * (0.8 if turns[at].get("origin") in {"assistant", "tool"} else 1.0)
        for at in range(n)
    ]
    level = []
    for at, turn in enumerate(turns):
        near = max((alone[b] for b in beside[at] if eligible[b]), default=0.0)
        value = alone[at] + 0.4 * max(0.0, near - alone[at]) * turn.get("brevity", 1.0)
        value += 0.15 if speaker is not None and turn.get("actor") == speaker else 0.0
        if not is_answered:
            value += 0.1 if at in before and turns[before[at]].get("is_question") else 0.0
            value -= 0.2 if turn.get("is_question") else 0.0
        level.append(max(value, 0.0))
    whole = list(level)
    for members in sessions.values():
        best = max((level[at] for at in members if eligible[at]), default=0.0)
        for at in members:
            whole[at] = level[at] + max(0.0, best - level[at]) / 3
    return np.array(whole) - own


def scores(facts, eligible, scoring, now, *, vector=None, words=None, speaker=None, period=(0, 0)):
    """The formula for all facts; −inf for those not eligible.

    What holds since a moment of the `period` (from, until before) that is asked for gets more.

    `facts` has lists or arrays by name: vectors, texts, valid_from, recalls, importance, and turns
    where somebody said them.
    """
    n = len(facts["texts"])
    s = np.zeros(n) if vector is None else cosines(facts["vectors"], vector)
    s = scaled(s, eligible) if scoring.scaled and vector is not None else np.clip(s, 0, 1)
    l = np.zeros(n)  # noqa: E741  the formula's letter
    if words is not None:
        asked = np.flatnonzero(eligible)  # as if there were no others
        l[asked] = bm25([facts["texts"][at] for at in asked], words) if len(asked) else 0.0
        l = l / l.max() if l.max() > 0 else l  # noqa: E741
    d = 1.0 if words is None else 0.0 if vector is None else scoring.dense_weight
    relevance = d * s + (1 - d) * l
    if scoring.structure and "turns" in facts:
        relevance = relevance + said(relevance, eligible, facts["turns"], speaker)
    if scoring.structure:
        then = [period[0] <= since < period[1] for since in facts["valid_from"]]
        relevance = relevance + 0.15 * np.array(then)
    age = np.maximum(now - facts["valid_from"], 0.0)
    recency = 2.0 ** (-age / (scoring.half_life * (1 + np.log(1 + facts["recalls"]))))
    w, g = scoring.time_weight, scoring.importance_weight
    value = ((1 - w) * relevance + w * recency) * ((1 - g) + g * facts["importance"])
    return np.where(eligible, value, -np.inf)


def settled(values, facts, scoring, words=None, **_):
    """The values, where of the best ten what says it anew has that of what it says anew.

    Only for texts without numbers.
    """
    if words is None or not scoring.structure:
        return values
    turns = facts.get("turns", [{}] * len(values))
    order = sorted(range(len(values)), key=lambda at: (-values[at], -at))[:10]
    order = [at for at in order if values[at] > -math.inf]
    held = {at: set(words) & set(facts["texts"][at].split()) for at in order}
    tells = {at: not (turns[at].get("is_question") or turns[at].get("origin")) for at in order}
    after = values.copy()
    for place, newer in enumerate(order):
        for older in order[:place]:
            shared = held[newer] & held[older]
            is_of_slot = not turns[older].get("is_turn", True) and turns[newer].get("is_turn", True)
            if (
                tells[newer]
                and tells[older]
                and not is_of_slot
                and facts["valid_from"][newer] > facts["valid_from"][older]
                and shared == held[older]
                and shared
                and 2 * len(shared) >= len(words)
                and values[newer] >= 0.8 * values[older]
            ):
                after[newer] = max(after[newer], after[older])
    return after


def assert_best(hits, ids, values, k, within=2e-6):
    """The hits are the k best by these values; memories within rounding may change places."""
    values = dict(zip(ids, values.tolist(), strict=True))
    best = sorted((v for v in values.values() if v > -math.inf), reverse=True)[:k]
    found = [hit.memory.id for hit in hits]
    assert len(found) == len(set(found)) == len(best)
    for id_, hit, value in zip(found, hits, best, strict=True):
        assert abs(values[id_] - value) <= within, (id_, values[id_], value)
        assert abs(hit.score.value - values[id_]) <= within


# The walk


def chain(own, links, k, hops, limit):
    """{id: (score, hop)} of what is reached: every memory asks every other, at every hop.

    `own` has the scores of all that may be returned, best first; `links`, {(a, b): weight}, are
    walked both ways.
    """
    weight = {}
    for (a, b), value in links.items():
        weight[a, b] = max(value, weight.get((a, b), 0.0))
        weight[b, a] = max(value, weight.get((b, a), 0.0))
    around = {}
    for (a, b), value in weight.items():
        around.setdefault(b, []).append((a, value))
    state = {id_: (own[id_], 0) for id_ in list(own)[: min(k, limit)]}
    for hop in range(1, hops + 1):
        after = dict(state)
        for id_, merit in own.items():
            offers = [state[a][0] * w * 0.5 for a, w in around.get(id_, ()) if a in state]
            if offers:
                score, first = state.get(id_, (merit, hop))
                after[id_] = (max(score, *offers), first)
        order = sorted(after.items(), key=lambda item: (-item[1][0], item[1][1], item[0]))
        state = dict(order[:limit])
    return state


# Time


class RefusedError(Exception):
    """The operation means nothing, and changed nothing."""


@dataclass(frozen=True)
class Fact:
    """The times and the slot of one memory."""

    created_at: float
    valid_from: float
    valid_to: float | None = None
    expires_at: float | None = None
    key: str | None = None


@dataclass
class Ended:
    """One supersession. It outlives the forgetting of the memory that replaced."""

    old: str
    new: str | None
    holds_from: float
    recorded_at: float


class Replay:
    """A store's memories and supersessions in a dict and a list, searched one by one."""

    def __init__(self):
        self.facts = {}
        self.endings = []

    def put(self, id_, now, **given):
        """Add, or correct the record that is there; a slot that is occupied is taken over."""
        old = self.facts.get(id_)
        new = Fact(created_at=now, valid_from=now) if old is None else old
        replacing = given.pop("replacing", None)
        new = replace(new, **given)
        if new.valid_to is not None and new.valid_to < new.valid_from:
            raise RefusedError
        if replacing is not None and old is not None:
            self.supersede(id_, replacing, now)
        self.facts[id_] = new
        ended = [ending for ending in self.endings if ending.new == id_]
        for ending in ended:
            ending.holds_from = new.valid_from
        if old is not None and new.valid_from != old.valid_from:
            for ending in ended:
                self._take_along(id_, ending.old, now)
            if new.valid_from > old.valid_from:  # what it replaced holds for longer
                for ending in ended:
                    self._claim(ending.old, now)
        if replacing is not None and old is None:
            self.supersede(id_, replacing, now)
        slot = (new.key, new.valid_from, new.valid_to)
        if old is None or slot != (old.key, old.valid_from, old.valid_to):
            self._claim(id_, now)

    def _claim(self, id_, now):
        mine, end = self.facts[id_], self.end(id_)
        if mine.key is None or mine.valid_from >= end:
            return
        rivals = [other for other, fact in self.facts.items() if fact.key == mine.key]
        for other in sorted(rivals, key=lambda o: self.facts[o].valid_from):
            start, stop = self.facts[other].valid_from, self.end(other)
            if other == id_ or start >= stop or stop <= mine.valid_from or start >= end:
                continue
            newer, older = (other, id_) if start > mine.valid_from else (id_, other)
            if newer in self.replaces(older):
                newer, older = older, newer
            self.supersede(newer, older, now)
            if older == id_:
                return

    def end(self, id_):
        """Until when a memory was true: the first of its stated end and its supersessions."""
        stated = self.facts[id_].valid_to
        ends = [e.holds_from for e in self.endings if e.old == id_]
        return min([math.inf if stated is None else stated, *ends])

    def hold_at_once(self, one, other):
        start = max(self.facts[one].valid_from, self.facts[other].valid_from)
        return min(self.end(one), self.end(other)) > start

    def _take_along(self, new, old, now):
        """What replaced through others does not hold beside it, whenever those would begin."""
        start = self.facts[new].valid_from
        if start < self.facts[old].valid_from:
            for older in [e.old for e in self.endings if e.new == old]:
                if self.hold_at_once(new, older):
                    self.supersede(new, older, now)
                else:
                    self._take_along(new, older, now)
        for newer in [e.new for e in self.endings if e.old == new and e.new is not None]:
            if self.facts[newer].valid_from < start and self.hold_at_once(newer, old):
                self.supersede(newer, old, now)

    def replaces(self, id_):
        """The memory, and all that it replaced directly or not."""
        found, waiting = {id_}, [id_]
        while waiting:
            one = waiting.pop()
            more = {e.old for e in self.endings if e.new == one} - found
            found |= more
            waiting.extend(more)
        return found

    def supersede(self, new, old, now):
        """Record that one memory replaces another; again is no change."""
        if new not in self.facts or old not in self.facts or new in self.replaces(old):
            raise RefusedError
        if not any((e.old, e.new) == (old, new) for e in self.endings):
            self.endings.append(Ended(old, new, self.facts[new].valid_from, now))
            self._take_along(new, old, now)

    def replace_fact(self, old, new, now, **given):
        """Put a new memory in the place of an old one, and in its slot."""
        if old not in self.facts or new in self.replaces(old):
            raise RefusedError
        if given.get("key") is None and self.facts[old].key is not None:
            given["key"] = self.facts[old].key
        self.put(new, now, replacing=old, **given)

    def unsupersede(self, old, new=None):
        kept = [e for e in self.endings if e.old != old or (new is not None and e.new != new)]
        if len(kept) == len(self.endings):
            raise RefusedError
        self.endings = kept

    def forget(self, id_):
        del self.facts[id_]
        self.endings = [e for e in self.endings if e.old != id_]
        for ending in self.endings:
            if ending.new == id_:
                ending.new = None

    def eligible(self, as_of, known_at=math.inf):
        """Ids of what was true at `as_of`, by what was recorded at `known_at`."""
        return {
            id_
            for id_, fact in self.facts.items()
            if fact.created_at <= known_at
            and fact.valid_from <= as_of
            and (fact.valid_to is None or as_of < fact.valid_to)
            and (fact.expires_at is None or as_of < fact.expires_at)
            and not any(
                e.old == id_ and e.recorded_at <= known_at and e.holds_from <= as_of
                for e in self.endings
            )
        }
