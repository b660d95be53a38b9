from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
from typing import Any

import pytest
from llama_index.core import Settings
from llama_index.core.chat_engine import CondensePlusContextChatEngine
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.dispatcher import active_instrument_tags, instrument_tags
from llama_index.core.llms import ChatMessage, MockLLM
from llama_index.core.llms.mock import MockLLMWithChatMemoryOfLastCall
from llama_index.core.postprocessor import SimilarityPostprocessor
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.retrievers import QueryFusionRetriever
from llama_index.core.schema import (
    NodeRelationship,
    NodeWithScore,
    RelatedNodeInfo,
    TextNode,
)
from llama_index.core.vector_stores import MetadataFilters
from llama_index.memory.feather import (
    FeatherAttributionHandler,
    FeatherMemory,
    FeatherRetriever,
    FeatherVectorStore,
    MemoryFeedback,
    current_turn,
    feather_tools,
    feather_turn,
)

from feather_memory import (
    ContextLayers,
    MissingEmbedderError,
    ParameterError,
    Store,
    UnknownTurnError,
)
from feather_memory.testing import HashEmbedder

from .conversation import assistant, user


@pytest.fixture
def tea(store):
    return store.add("Alice drinks green tea", id="tea")


@pytest.fixture
def coffee(store):
    return store.add("Bob drinks black coffee", id="coffee")


@pytest.fixture
def feedback(store):
    return MemoryFeedback(store)


@pytest.fixture
def engine(store, tea, coffee):
    return RetrieverQueryEngine.from_args(FeatherRetriever(store=store), llm=MockLLM())


def ids(signals: list[Any]) -> list[str]:
    return [signal.memory_id for signal in signals]


class TestTurns:
    def test_a_turn_ends_with_its_block_and_the_tags_of_others_stay(self):
        with instrument_tags({"theirs": 1}), feather_turn("t") as turn:
            inside = dict(active_instrument_tags.get())

        assert turn == "t"
        assert inside == {"theirs": 1, "feather.turn_id": "t"}
        assert current_turn() is None

    def test_the_innermost_turn_counts_and_a_drawn_one_is_unlike_any_other(self):
        with feather_turn() as outer:
            with feather_turn() as inner:
                assert current_turn() == inner
            assert current_turn() == outer

        assert outer != inner
        with pytest.raises(ParameterError), feather_turn(""):
            pass

    async def test_turns_that_run_at_once_do_not_mix(self, store, tea, coffee, feedback):
        retriever = FeatherRetriever(store=store, similarity_top_k=1)

        async def ask(query: str) -> str:
            with feather_turn() as turn:
                await asyncio.sleep(0)
                await retriever.aretrieve(query)
                return turn

        turns = await asyncio.gather(*(ask(q) for q in ["green tea", "black coffee"] * 10))

        assert [ids(feedback.like(turn)) for turn in turns] == [["tea"], ["coffee"]] * 10


class TestWhatItIsAbout:
    def test_a_like_remembers_what_was_asked(self, tmp_path):
        with Store.open(tmp_path / "embedded.feather", embedder=HashEmbedder(128)) as store:
            store.add_many([{"text": "Alice drinks green tea"}, {"text": "Bob drinks coffee"}])
            with feather_turn() as turn:
                FeatherRetriever(store=store, similarity_top_k=1).retrieve("green tea?")
            assert store.search("green tea?", k=1)[0].score.liked == 0

            MemoryFeedback(store).like(turn)

            assert store.search("green tea?", k=1)[0].score.liked == pytest.approx(0.15)
            assert store.check() == []

    def test_a_response_of_a_query_engine(self, engine, feedback, store, tea):
        with feather_turn() as turn:
            response = engine.query("green tea")

        signals = feedback.like(response, turn=turn)

        assert ids(signals) == ["tea", "coffee"]
        assert [signal.strength for signal in signals] == [0.5, 0.5]
        assert store.get("tea").importance > tea.importance

    async def test_the_same_without_a_turn_also_when_it_streams(self, store, tea, coffee, feedback):
        retriever = FeatherRetriever(store=store)
        engine = RetrieverQueryEngine.from_args(retriever, llm=MockLLM(), streaming=True)
        streaming, coming = engine.query("green tea"), await engine.aquery("green tea")

        once = feedback.like(streaming)

        assert ids(once) == ["tea", "coffee"]
        assert ids(feedback.dislike(coming)) == ["tea", "coffee"]
        assert streaming.response_txt is None  # the answer was not consumed to learn that

    @pytest.mark.file
    async def test_an_answer_of_a_chat_engine(self, store, tea, feedback):
        engine = CondensePlusContextChatEngine.from_defaults(
            retriever=FeatherRetriever(store=store),
            llm=MockLLMWithChatMemoryOfLastCall(is_chat_model=True),
            memory=_memory(store),
        )

        answer, coming = engine.chat("green tea"), await engine.achat("tea again")

        assert ids(feedback.saved(answer)) == ["tea"]
        assert "tea" in ids(feedback.saved(coming))

    def test_nodes_a_node_and_its_id(self, store, tea, coffee, feedback):
        nodes = FeatherRetriever(store=store).retrieve("green tea")

        assert ids(feedback.like(nodes)) == ["tea", "coffee"]
        assert ids(feedback.like(nodes[0])) == ["tea"]
        assert ids(feedback.saved(nodes[1].node)) == ["coffee"]
        assert ids(feedback.copied("coffee")) == ["coffee"]

    @pytest.mark.file
    def test_a_turn_by_its_id_in_a_later_process(self, tmp_path, feedback, store, engine):
        with feather_turn("message-17"):
            engine.query("green tea")
        script = (
            "import sys; from feather_memory import Store\n"
            "from llama_index.memory.feather import MemoryFeedback\n"
            "with Store.open(sys.argv[1]) as store:\n"
            "    print([s.memory_id for s in MemoryFeedback(store).like('message-17')])\n"
        )

        done = subprocess.run(
            [sys.executable, "-c", script, store.path],
            capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip

        assert done.stdout.strip() == "['tea', 'coffee']"
        assert ids(feedback.like("message-17")) == ["tea", "coffee"]
        assert [len(store.signals(id_)) for id_ in ("tea", "coffee")] == [1, 1]

    def test_inside_a_turn_it_belongs_to_it(self, engine, feedback, store):
        with feather_turn("t"):
            response = engine.query("green tea")
            feedback.like(response)

        assert {signal.turn for signal in store.signals("tea")} == {"t"}

    def test_strangers_are_refused(self, store, tea, feedback):
        stranger = NodeWithScore(node=TextNode(text="not ours"), score=1.0)

        for wrong in (stranger, [stranger], [], 42, None):
            with pytest.raises(ParameterError, match="is of this store"):
                feedback.like(wrong)
        with pytest.raises(ParameterError), feather_turn():
            feedback.like(stranger)
        with pytest.raises(UnknownTurnError, match="never-was"):
            feedback.like("never-was")
        with pytest.raises(ParameterError, match="not made of"):
            feedback.like("tea", memory_ids=["coffee"])

    def test_of_mixed_nodes_only_the_store_s_own_count(self, store, tea, feedback):
        nodes = FeatherRetriever(store=store).retrieve("green tea")
        stranger = NodeWithScore(node=TextNode(text="not ours"), score=1.0)

        assert ids(feedback.like([stranger, *nodes])) == ["tea"]


class TestWhatItDoes:
    def test_the_same_again_counts_once_and_can_be_taken_back(self, engine, feedback, store, tea):
        with feather_turn("t"):
            response = engine.query("green tea")

        for _ in range(3):
            feedback.like("t")
        once = store.get("tea").importance
        for _ in range(2):
            feedback.copied(response, turn="t")
            feedback.copied(response, turn="t")

        assert [s.kind for s in store.signals("tea")] == ["liked", "copied"]
        assert store.get("tea").importance > once > tea.importance
        feedback.take_back("t", "liked")
        feedback.take_back(response, "copied", turn="t")
        assert store.get("tea").importance == tea.importance

    def test_two_answers_of_one_memory_are_two_even_without_turns(self, store, tea, feedback):
        engine = RetrieverQueryEngine.from_args(FeatherRetriever(store=store), llm=MockLLM())
        one, other = engine.query("green tea"), engine.query("which tea?")

        for answer in (one, other, one):
            feedback.like(answer)

        assert len(store.signals("tea")) == 2

    def test_a_copy_goes_to_the_memory_that_holds_the_text(self, engine, feedback):
        with feather_turn("t"):
            response = engine.query("green tea")

        assert ids(feedback.copied("t", text="black coffee")) == ["coffee"]
        assert ids(feedback.copied(response, turn="t", text="green tea")) == ["tea"]

    def test_a_correction_lowers_and_supersedes_the_one_memory_meant(
        self, engine, feedback, store, tea
    ):
        with feather_turn("t"):
            response = engine.query("what does Alice drink?")

        with pytest.raises(ParameterError, match="memory_ids"):
            feedback.corrected(response, "Alice drinks oolong", turn="t")
        for _ in range(2):
            feedback.corrected(response, "Alice drinks oolong", turn="t", memory_ids=["tea"])

        assert store.get("tea").importance < tea.importance
        (new,) = store.get("tea").superseded_by
        assert store.get(new).text == "Alice drinks oolong"
        assert store.get("coffee").superseded_by == ()
        answer = str(engine.query("what does Alice drink?"))
        assert "oolong" in answer
        assert "green tea" not in answer

    def test_a_correction_is_embedded_by_who_embeds(self, store, embed_model, monkeypatch):
        monkeypatch.setattr(Settings, "_embed_model", None)
        text = "Alice drinks green tea"
        store.add(text, id="tea", vector=embed_model.get_text_embedding(text))

        with pytest.raises(MissingEmbedderError):
            MemoryFeedback(store).corrected("tea", "Alice drinks oolong")
        MemoryFeedback(store, embed_model=embed_model).corrected("tea", "Alice drinks oolong")

        (new,) = store.get("tea").superseded_by
        vector = embed_model.get_text_embedding("Alice drinks oolong")
        assert store.get(new).vector.tolist() == pytest.approx(vector)

    def test_a_node_is_corrected_by_itself(self, store, tea, coffee, feedback):
        nodes = FeatherRetriever(store=store).retrieve("green tea")

        feedback.corrected(nodes[0], "Alice drinks oolong")

        assert len(store.get("tea").superseded_by) == 1
        assert store.stats().memories == 3

    def test_a_corrected_node_is_still_of_its_document(self, store, embed_model):
        vectors = FeatherVectorStore(store=store)
        document = RelatedNodeInfo(node_id="drinks.md")
        node = TextNode(
            text="Alice drinks green tea",
            id_="drinks.md#0",
            metadata={"topic": "drinks"},
            relationships={NodeRelationship.SOURCE: document},
        )
        vectors.add([node.model_copy(update={"embedding": embed_model.get_text_embedding("tea")})])
        feedback = MemoryFeedback(store, embed_model=embed_model)

        feedback.corrected("drinks.md#0", "Alice drinks oolong")

        topic = MetadataFilters.from_dicts([{"key": "topic", "value": "drinks"}])
        (corrected,) = vectors.get_nodes(filters=topic)
        assert corrected.text == "Alice drinks oolong"
        assert (corrected.metadata, corrected.ref_doc_id) == (node.metadata, "drinks.md")
        vectors.delete("drinks.md")
        assert [memory.text for memory in store.iterate()] == ["Alice drinks oolong"]
        vectors.delete("drinks.md", corrections=True)
        assert len(store) == 0

    def test_a_correction_stays_in_the_conversation_and_goes_with_it(
        self, session, alice, embed_model
    ):
        memory = session("monday")
        memory.put(ChatMessage(role="user", content="I drink green tea"))
        (said,) = alice.iterate()
        feedback = MemoryFeedback(alice, embed_model=embed_model)

        feedback.corrected(said.id, "I drink oolong")

        (hit,) = alice.search("oolong", session="monday")
        assert hit.memory.text == "I drink oolong"
        memory.forget()
        assert len(alice) == 0


class TestAttribution:
    """With a handler, feedback goes to what reached the answer, not to all that was retrieved."""

    @pytest.fixture
    def handler(self, store):
        handler = FeatherAttributionHandler(store).install()
        yield handler
        handler.uninstall()

    @pytest.fixture
    def cutting(self, store, tea, coffee):
        """Retrieves both memories, and shows the better one."""
        retriever = FeatherRetriever(store=store)
        best = retriever.retrieve("green tea")[0].score
        cut = SimilarityPostprocessor(similarity_cutoff=best - 1e-6)
        return RetrieverQueryEngine.from_args(retriever, llm=MockLLM(), node_postprocessors=[cut])

    async def test_what_a_postprocessor_dropped_gets_no_credit(self, handler, cutting, feedback):
        with feather_turn("t-sync"):
            cutting.query("green tea")
        with feather_turn("t-async"):
            await cutting.aquery("green tea")

        assert ids(feedback.like("t-sync")) == ids(feedback.like("t-async")) == ["tea"]

    def test_without_a_handler_it_would(self, cutting, feedback):
        with feather_turn("t"):
            cutting.query("green tea")

        assert ids(feedback.like("t")) == ["tea", "coffee"]

    def test_what_nobody_synthesised_is_credited_as_it_was_retrieved(
        self, handler, store, tea, coffee, feedback
    ):
        with feather_turn("t"):
            FeatherRetriever(store=store).retrieve("green tea")

        assert ids(feedback.like("t")) == ["tea", "coffee"]
        assert [store.get(id_).recalls for id_ in ("tea", "coffee")] == [1, 1]

    def test_the_nodes_of_others_retrievers_are_noted(self, handler, store, tea, feedback):
        from llama_index.core.base.base_retriever import BaseRetriever

        class Theirs(BaseRetriever):
            def _retrieve(self, query_bundle):
                ours = NodeWithScore(node=TextNode(id_="tea", text="tea"), score=None)
                return [ours, NodeWithScore(node=TextNode(text="not ours"), score=0.5)]

        fusion = QueryFusionRetriever([Theirs()], llm=MockLLM(), num_queries=1, use_async=False)
        with feather_turn("t"):
            fusion.retrieve("anything")

        assert ids(feedback.like("t")) == ["tea"]

    def test_outside_of_a_turn_nothing_is_noted(self, handler, engine, store):
        before = store.stats().recalls
        engine.query("green tea")
        handler.flush()

        assert store.stats().recalls == before + 1  # the retriever's own

    @pytest.mark.file
    def test_the_chat_is_noted_and_a_memory_s_own_telling_counts(
        self, handler, store, tea, coffee, feedback
    ):
        memory = _memory(store)
        engine = CondensePlusContextChatEngine.from_defaults(
            retriever=FeatherRetriever(store=store, similarity_top_k=1),
            llm=MockLLMWithChatMemoryOfLastCall(is_chat_model=True),
            memory=memory,
        )

        with feather_turn("t"):
            engine.chat("green tea")

        assert "tea" in ids(feedback.like("t"))

    @pytest.mark.parametrize("is_watched", [True, False])
    def test_a_correction_of_what_was_only_retrieved_retires_the_answer_too(
        self, session, alice, embed_model, is_watched
    ):
        tea = alice.add("Alice drinks green tea")
        handler = FeatherAttributionHandler(alice)
        if is_watched:
            handler.install()
        try:
            with feather_turn("t"):
                FeatherRetriever(store=alice).retrieve("green tea")
                session("monday").put_messages([user("What tea?"), assistant("You drink green")])
            feedback = MemoryFeedback(alice, embed_model=embed_model)
            for _ in range(2):
                feedback.corrected("t", "Alice drinks oolong", memory_ids=[tea.id])
        finally:
            handler.uninstall()

        current = {memory.text for memory in alice.iterate() if not memory.superseded_by}
        assert current == {"What tea?", "Alice drinks oolong"}
        assert [s.kind for s in alice.signals(tea.id)] == ["corrected"]
        assert ids(feedback.take_back("t", "corrected")) == [tea.id]

    def test_what_a_tool_puts_before_a_model_was_shown(self, handler, store, feedback):
        store.add("Alice drinks green tea", id="tea")
        store.add("Alice wears green", id="dress")
        (recall,) = feather_tools(store, names=["recall"], similarity_top_k=1)

        with feather_turn("t"):
            FeatherRetriever(store=store).retrieve("green")
            recall.call(query="green tea")

        assert ids(feedback.like("t")) == ["tea"]

    def test_a_memory_and_a_retriever_of_one_store_count_once_a_turn(self, tmp_path):
        with Store.open(tmp_path / "both.feather", tenant="alice") as both:
            tea = both.add("Alice drinks green tea")
            memory = FeatherMemory.from_defaults(store=both, session_id="s")
            handler = FeatherAttributionHandler(both).install()
            try:
                with feather_turn():
                    memory.get(input="which tea?")
                    FeatherRetriever(store=both).retrieve("which tea?")
                watched = both.get(tea.id).recalls
            finally:
                handler.uninstall()
            with feather_turn():
                memory.get(input="which tea?")
                FeatherRetriever(store=both).retrieve("which tea?")

            assert (watched, both.get(tea.id).recalls) == (1, 2)
            assert both.check() == []

    @pytest.mark.parametrize("is_for_all", [True, False])
    def test_of_layers_it_tells_what_was_shown_where_it_listens_for_all(
        self, store, tea, tmp_path, is_for_all
    ):
        """Where it does not, whatever was retrieved counts as shown: no layer loses its credit."""
        with Store.open(tmp_path / "team.feather") as team:
            team.add("Bob drinks black coffee", id="coffee")
            layers = ContextLayers(user=store, team=team)
            retriever = FeatherRetriever(layers=layers)
            best = retriever.retrieve("green tea")[0].score
            cut = SimilarityPostprocessor(similarity_cutoff=best - 1e-6)
            engine = RetrieverQueryEngine.from_args(
                retriever, llm=MockLLM(), node_postprocessors=[cut]
            )
            given = {"layers": layers} if is_for_all else {"store": store}
            handler = FeatherAttributionHandler(**given).install()
            try:
                with feather_turn("t"):
                    engine.query("green tea")
            finally:
                handler.uninstall()

            liked = ids(MemoryFeedback(layers=layers).like("t"))
            assert liked == (["tea"] if is_for_all else ["tea", "coffee"])
            assert team.check() == []

    def test_installing_twice_is_once_and_uninstalling_leaves_nothing(self, store):
        handler = FeatherAttributionHandler(store)
        before = [len(d.event_handlers) for d in _dispatchers()]
        handler.install().install()
        during = [len(d.event_handlers) for d in _dispatchers()]
        handler.uninstall()
        handler.uninstall()

        assert during == [count + 1 for count in before]
        assert [len(d.event_handlers) for d in _dispatchers()] == before

    def test_a_failing_log_is_told_and_fails_nobody(self, tmp_path, tea, store, caplog):
        other = Store.open(tmp_path / "other.feather")
        handler = FeatherAttributionHandler(other).install()
        try:
            other.close()
            with caplog.at_level(logging.WARNING, "feather_memory"), feather_turn("t"):
                FeatherRetriever(store=store).retrieve("green tea")
                handler.flush()
        finally:
            handler.uninstall()

        assert "could not be logged" in caplog.text

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
    @pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
    def test_a_forked_worker_writes_by_itself(self, handler, cutting, store, feedback):
        with feather_turn("parent"):
            cutting.query("green tea")
        handler.flush()
        child = os.fork()
        if child == 0:
            try:
                with feather_turn("child"):
                    cutting.query("green tea")
                handler.flush()
                os._exit(0)
            finally:
                os._exit(1)
        _, status = os.waitpid(child, 0)

        assert status == 0
        assert ids(feedback.like("child")) == ["tea"]


def _dispatchers():
    names = "llama_index.core.base.base_retriever", "llama_index.core.response_synthesizers.base"
    return [get_dispatcher(name) for name in names]


def _memory(store: Store) -> FeatherMemory:
    """A conversation in a file of its own."""
    path = store.path.with_name("conversation.feather")
    return FeatherMemory.from_defaults(path=path, tenant="alice", session_id="s")
