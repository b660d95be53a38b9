"""What was written last: by a filter, by the page, and of each conversation."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feather_memory import F, FilterError, ParameterError, Store
from feather_memory.testing import FrozenClock


@pytest.mark.parametrize("k", [1, 3, 99])
def test_the_latest_are_the_last_of_the_order_of_writing(store, k):
    store.add_many([{"text": f"memory {n}", "metadata": {"even": n % 2 == 0}} for n in range(9)])

    for where in (None, {"even": True}):
        order = [memory.id for memory in store.iterate(where)]
        assert [memory.id for memory in store.latest(k, where=where)] == order[::-1][:k]


def test_new_content_makes_a_memory_the_latest_and_a_link_does_not(store):
    store.add_many([{"text": text, "id": text} for text in ("a", "b", "c")])
    store.update("a", text="again")
    store.link("b", "c")

    assert [memory.id for memory in store.latest()] == ["a", "c", "b"]
    with pytest.raises(ParameterError, match="k must"):
        store.latest(0)


sessions = st.sampled_from(["monday", "tuesday", None])
records = st.fixed_dictionaries(
    {
        "id": st.sampled_from([f"m{n}" for n in range(9)]),
        "text": st.sampled_from(["tea", "coffee", "water"]),
        "session": sessions,
        "importance": st.sampled_from([0.1, 0.4, 0.9]),
        "metadata": st.fixed_dictionaries({}, optional={"n": st.sampled_from([1, 2, True])}),
    }
)
acts = st.one_of(
    st.tuples(st.just("add"), records),
    st.tuples(st.just("forget"), records),
    st.tuples(st.just("saved"), records),
)
FILTERS = {
    "none": (None, lambda _: True),
    "a session": (F("session") == "monday", lambda m: m.session == "monday"),
    "a number": (F("n") >= 1, lambda m: type(m.metadata.get("n")) is int),
    "a text": (~F("text").contains("tea"), lambda m: "tea" not in m.text),
    "an importance": (F("importance") > 0.4, lambda m: m.importance > 0.4),
}
FIELDS = {
    None: lambda m: m.id,
    "session": lambda m: m.session or (m.id,),
    "n": lambda m: repr(m.metadata["n"]) if "n" in m.metadata else (m.id,),
    "importance": lambda m: m.importance,
}


@settings(max_examples=60)
@given(
    st.lists(acts, max_size=14),
    st.sampled_from(sorted(FILTERS)),
    st.sampled_from(list(FIELDS)),
    st.integers(1, 4),
    st.integers(0, 5),
)
def test_a_page_of_the_latest_is_that_of_a_look_at_everything(
    tmp_path_factory, acts, which, of_each, k, offset
):
    """Whoever wrote: this handle, or another of the same file."""
    path = tmp_path_factory.mktemp("latest") / "alice.feather"
    where, holds = FILTERS[which]
    clock = FrozenClock()
    with Store.open(path, clock=clock) as store, Store.open(path, clock=clock) as other:
        for n, (act, record) in enumerate(acts):
            writer = other if n % 3 == 0 else store
            is_there = bool(store.get_many([record["id"]]))
            if act == "add":
                writer.add(**record)
            elif is_there and act == "forget":
                writer.forget(record["id"])
            elif is_there:
                writer.signal(record["id"], "saved")
            if n % 4 == 0:
                store.latest(1, where=F("n").exists())

        found = [m.id for m in store.latest(k, where=where, offset=offset, of_each=of_each)]

        first = {}
        for memory in reversed([m for m in store.iterate() if holds(m)]):
            first.setdefault(FIELDS[of_each](memory), memory.id)
        assert found == list(first.values())[offset : offset + k]
        assert store.check() == []


def test_the_latest_of_each_session_is_a_list_of_conversations(store):
    for session, text in (("monday", "a"), ("tuesday", "b"), ("monday", "c"), (None, "d")):
        store.add(text, session=session)

    assert [m.text for m in store.latest(9, of_each="session")] == ["d", "c", "b"]
    where = F("session").exists()
    assert [m.text for m in store.latest(1, where=where, offset=1, of_each="session")] == ["b"]


def test_what_is_superseded_or_expired_is_among_the_latest(store, clock):
    store.add("old", id="old", key="k", session="s")
    store.add("new", id="new", key="k", session="s")
    store.add("brief", id="brief", session="s", expires_at=clock() + 1)
    clock.advance(hours=1)

    assert [m.id for m in store.latest(9, where=F("session") == "s")] == ["brief", "new", "old"]
    assert store.latest(9, where=F("session") == "s")[2].superseded_by == ("new",)


def test_a_page_that_is_none_is_refused(store):
    with pytest.raises(ParameterError, match="offset must"):
        store.latest(offset=-1)
    with pytest.raises(FilterError, match="empty segment"):
        store.latest(of_each="a..b")
    assert store.latest(10**30, offset=10**30) == store.latest(offset=10**30, where={"n": 1}) == []
