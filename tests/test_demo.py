"""The demo tells its story, the same one every time."""

import re
import socket

import pytest
from rich.console import Console

from feather_memory.demo import run
from feather_memory.demo.story import DEPLOY, PYTHON, RIGHT, history
from feather_memory.store.store import Store
from feather_memory.testing import HashEmbedder


def told(path, width=100):
    console = Console(width=width, record=True, file=open("/dev/null", "w", encoding="utf-8"))  # noqa: SIM115, PTH123
    with console.file:
        run(console, path)
    return console.export_text()


def test_the_story_says_what_is_true_and_leaves_a_sound_store(tmp_path):
    text = told(tmp_path / "demo.feather")

    assert text.index("Larkspur runs on Python 3.12") < text.index("and it replaced")
    assert "from 0.40 to 0.55" in text
    assert "from 0.40 to 0.20" in text
    assert "store.check() == []" in text
    with Store.open(tmp_path / "demo.feather", embedder=HashEmbedder()) as store:
        assert store.search(PYTHON, k=1)[0].memory.text.startswith("Larkspur runs on Python 3.12")
        assert store.search(DEPLOY, k=1)[0].memory.text == RIGHT
        assert store.check() == []


def test_a_score_is_taken_apart_whole_on_a_terminal_of_80_columns(tmp_path):
    lines = told(tmp_path / "demo.feather", width=80).splitlines()
    (start,) = (place for place, line in enumerate(lines) if line.endswith("= score"))

    names = lines[start].removesuffix("= score").split()[1:]
    rows = [re.findall(r"[+-]?\d\.\d{3}", line) for line in lines[start + 1 : start + 4]]

    assert {"similarity", "lexical"} <= {*names}
    for *parts, score in rows:
        assert len(parts) == len(names)
        assert sum(map(float, parts)) == pytest.approx(float(score), abs=0.0005 * (len(names) + 1))


def test_the_story_is_the_same_every_time_but_for_its_timings(tmp_path):
    first, second = (
        re.sub(r"[\d.]+ (ms|KiB)", "", told(tmp_path / f"{n}.feather")) for n in (1, 2)
    )

    assert first == second


def test_the_story_opens_no_socket(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        pytest.fail("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)

    assert told(tmp_path / "demo.feather")


def test_the_history_is_in_order_and_its_links_lead_somewhere():
    lines = list(history())

    ids = {line["id"] for line in lines}
    assert len(ids) == len(lines)
    assert [line["time"] for line in lines] == sorted(line["time"] for line in lines)
    assert {target for line in lines for _, target in line.get("links", [])} <= ids
