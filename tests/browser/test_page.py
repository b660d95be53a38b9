"""What a person can do in the window, done in a real browser."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import ada
import pytest

from feather_memory.importers import exports

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.browser


def choose(page, text):
    """Choose a memory in the list; its page when it is shown."""
    page.locator(".row", has_text=text).first.click()
    page.locator(".title h2", has_text=text).wait_for()


def texts(page):
    return page.locator("#found .row .text").all_inner_texts()


def search(page, question):
    page.fill("#question", question)
    page.locator(".heading h2", has_text=question).wait_for()


def test_a_question_finds_the_memory_and_its_bar_opens_into_the_receipt(page):
    search(page, "where does Ada live?")

    assert texts(page)[0] == "Ada lives in Bergen, near the fish market"
    assert "Ada lives in Oslo" not in texts(page)
    bar = page.locator(".weigh").first
    assert bar.get_attribute("aria-expanded") == "false"
    bar.click()
    receipt = page.locator(".receipt")
    *parts, total = receipt.locator(".sum").all_inner_texts()
    assert sum(float(part.replace("−", "-")) for part in parts) == pytest.approx(
        float(total), abs=0.003
    )
    assert bar.get_attribute("aria-expanded") == "true"
    bar.click()
    assert receipt.count() == 0


def test_a_fact_that_is_corrected_is_seen_replaced_and_its_past_stays(page, window):
    choose(page, "Ada lives in Bergen")
    page.click("#correct")
    page.fill("#corrected", "Ada lives in Bergen, by the old harbour")
    page.click("text=Save")

    page.locator(".title h2", has_text="by the old harbour").wait_for()
    page.locator(".row", has_text="by the old harbour").wait_for()
    assert "Ada lives in Bergen, near the fish market" not in texts(page)
    assert page.locator(".timeline .text").all_inner_texts() == [
        "Ada lives in Bergen, by the old harbour",
        "Ada lives in Bergen, near the fish market",
        "Ada lives in Oslo",
    ]
    store = window.pool.get("ada")
    (hit,) = store.search("where does Ada live?", 1)
    assert hit.memory.text == "Ada lives in Bergen, by the old harbour"
    assert hit.memory.origin == "user"


def test_a_correction_is_undone_as_if_it_had_never_been(page, window):
    store = window.pool.get("ada")
    before = {memory.id: memory for memory in store.iterate()}
    choose(page, "Ada lives in Bergen")
    page.click("#correct")
    page.fill("#corrected", "Ada lives in Trondheim")
    page.keyboard.press("Control+Enter")
    page.locator(".title h2", has_text="Trondheim").wait_for()

    page.click("#undo")
    page.locator(".title h2", has_text="near the fish market").wait_for()

    assert {memory.id: memory for memory in store.iterate()} == before


# Looking


def test_the_slider_moves_the_whole_page_into_the_past_and_back(page):
    choose(page, "Ada lives in Bergen")
    page.click("#travel")
    slider = page.locator("#as_of")
    slider.focus()
    days = int(slider.get_attribute("max"))
    slider.fill(str(days - 300))  # to July 2025

    page.locator(".row", has_text="Ada lives in Oslo").wait_for()
    assert "July 2025" in page.inner_text("#as_of-said")
    assert "Ada lives in Bergen, near the fish market" not in texts(page)
    page.locator(".standing.past").wait_for()
    assert page.locator(".actions").count() == 0  # the past is not changed
    search(page, "where does Ada live?")
    assert texts(page)[0] == "Ada lives in Oslo"
    page.click("nav >> text=What was used")
    page.locator("text=Nothing was told to an assistant yet.").wait_for()

    page.click("#today")
    page.locator("text=morning-1").first.wait_for()
    assert page.locator(".actions").count() == 1


def test_what_was_known_then_is_another_question_than_what_was_true_then(page, window):
    store = window.pool.get("ada")
    store.add("Ada was born in Tromsø", valid_from=0.0)
    page.reload()
    page.wait_for_selector("html[data-ready]")
    page.locator(".row", has_text="Tromsø").wait_for(state="attached")
    page.click("#travel")
    page.locator("#known_at").focus()
    page.keyboard.press("ArrowLeft")

    page.locator("#known_at-said", has_text="19 May 2026").wait_for()
    page.locator(".heading h2", has_text="12 memories").wait_for()
    page.keyboard.press("End")
    page.locator(".heading h2", has_text="13 memories").wait_for()
    page.locator("#as_of").focus()
    page.keyboard.press("Home")
    page.locator(".heading h2", has_text="1 memory").wait_for()
    assert texts(page) == ["Ada was born in Tromsø"]


def test_the_map_is_walked_from_memory_to_memory(page):
    choose(page, "Ada walks to work along the quay")
    page.click("nav >> text=Map")
    page.locator("g.node.centre[data-id=quay]").wait_for()
    shown = {node.get_attribute("data-id") for node in page.locator("g.node").all()}
    assert {"quay", "work", "bergen", "ferry", "oslo", "closes", "cello"} == shown
    assert page.locator("g.node.gone").count() == 2

    page.locator("g.node[data-id=work]").click()
    page.locator("g.node.centre[data-id=work]").wait_for()
    page.locator(".title h2", has_text="tide tables").wait_for()
    page.go_back()
    page.locator("g.node.centre[data-id=quay]").wait_for()
    page.locator(".title h2", has_text="along the quay").wait_for()


def test_the_turns_say_what_was_told_and_lead_to_it(page):
    page.click("nav >> text=What was used")
    page.locator(".turns > li").first.wait_for()
    assert page.locator(".turns h3").all_inner_texts() == [
        "5 Apr 2026, 09:00 dinner",
        "1 Mar 2026, 09:00 morning-1",
    ]
    page.locator(".turns li >> text=Ada lives in Bergen").first.click()
    page.locator(".title h2", has_text="Ada lives in Bergen").wait_for()
    assert "turn morning-1" in page.inner_text("#one")
    assert page.locator("svg.chart .dot").count() == 1


@pytest.mark.parametrize(
    ("memory", "question", "said"),
    [
        ("Ada lives in Oslo", "where does Ada live?", "Something newer has taken its place"),
        ("Could you remind me", "remind me of the recital", "It is a question"),
        ("Ada prefers tea", "bicycles", "Nothing of it fits"),
        ("Ada lives in Bergen", "where does Ada live?", "It is told, in place 1."),
    ],
)
def test_why_a_memory_is_not_found_is_said_in_words(page, memory, question, said):
    if "Oslo" in memory:
        page.click("text=No longer true")
    choose(page, memory)
    page.fill("#why", question)
    page.click("text=Say why")

    page.locator(".verdict", has_text=said).wait_for()


def test_somebody_elses_memory_is_shown_when_they_are_chosen(page):
    choose(page, "Ada prefers tea")
    page.select_option("#tenant", "bob")

    page.locator(".row", has_text="Bob repairs bicycles").wait_for()
    assert texts(page) == ["Bob repairs bicycles"]
    assert "Ada" not in page.inner_text("main")


def test_whoever_is_shown_is_named_also_for_who_went_back(page):
    choose(page, "Ada prefers tea")
    page.select_option("#tenant", "bob")
    page.locator(".row", has_text="Bob repairs bicycles").wait_for()
    page.go_back()
    page.locator(".title h2", has_text="Ada prefers tea").wait_for()
    assert page.input_value("#tenant") == "ada"
    page.go_forward()
    page.locator(".row", has_text="Bob repairs bicycles").wait_for()
    assert page.input_value("#tenant") == "bob"


def test_what_was_begun_for_one_person_is_not_finished_for_another(page, window):
    page.select_option("#tenant", "bob")
    page.locator(".row", has_text="Bob repairs bicycles").wait_for()
    page.click("#add")
    page.fill("#added", "Bob likes tandems")
    page.go_back()
    page.locator(".row", has_text="Ada lives in Bergen").wait_for()
    assert page.locator("dialog").count() == 0

    choose(page, "Ada is allergic to hazelnuts")
    page.click("text=Still true")
    page.locator("#undo").wait_for()
    page.select_option("#tenant", "bob")
    page.locator(".row", has_text="Bob repairs bicycles").wait_for()
    page.locator("#toast:not(.seen)").wait_for(state="attached")
    page.keyboard.press("Control+z")

    assert window.pool.get("ada").get("nuts").affirmed == 1
    for name in ("ada", "bob"):
        assert "tandems" not in {m.text for m in window.pool.get(name).iterate()}


def test_an_address_is_what_is_shown_also_after_a_reload(page):
    search(page, "where does Ada live?")
    choose(page, "Ada lives in Bergen")
    page.reload()

    page.locator(".title h2", has_text="Ada lives in Bergen").wait_for()
    page.locator(".heading h2", has_text="where does Ada live?").wait_for()
    page.go_back()
    page.locator("text=Choose a memory").wait_for()


# Putting right


def test_to_forget_shows_first_what_goes_and_then_it_is_gone(page, window):
    store = window.pool.get("ada")
    choose(page, "Ada lives in Bergen")
    page.click("#forget")
    plan = page.locator("dialog")
    plan.locator("text=With it go 2 links, 1 sign of use, 2 entries of what was told.").wait_for()
    assert page.evaluate("document.activeElement.textContent") == "Keep it"
    page.keyboard.press("Escape")
    page.locator("dialog").wait_for(state="detached")
    assert len(store.history("bergen")) == 2  # nothing was removed

    page.click("#forget")
    page.check("dialog >> text=Ada lives in Oslo")
    plan.locator("li", has_text="Ada lives in Oslo").wait_for()
    page.click("#really")

    page.locator("#toast", has_text="2 memories forgotten for good.").wait_for()
    page.locator(".heading h2", has_text="11 memories").wait_for()
    assert store.get_many(["bergen", "oslo"]) == []
    assert page.locator("#undo").count() == 0


def test_still_true_and_useful_are_counted_and_shown(page, window):
    choose(page, "Ada is allergic to hazelnuts")
    page.click("text=Still true")
    page.locator(".title", has_text="said again 1 time").wait_for()
    page.click("button:text-is('Useful')")
    page.locator(".signals", has_text="found useful").wait_for()

    store = window.pool.get("ada")
    assert store.get("nuts").affirmed == 1
    assert store.get("nuts").importance == pytest.approx(0.95)
    page.keyboard.press("Control+z")
    page.locator("#toast", has_text="Undone.").wait_for()
    page.locator(".signals", has_text="taken back").wait_for()
    assert store.get("nuts").importance == pytest.approx(0.8)


def test_still_true_is_undone(page, window):
    choose(page, "Ada is allergic to hazelnuts")
    page.click("text=Still true")
    page.locator(".title", has_text="said again 1 time").wait_for()
    page.click("#undo")
    page.locator("#toast", has_text="Undone.").wait_for()
    page.locator(".title:not(:has-text('said again'))").wait_for()

    assert window.pool.get("ada").get("nuts").affirmed == 0


def test_an_assistants_suggestion_is_accepted_in_the_place_of_what_it_contradicts(page, window):
    store = window.pool.get("ada")
    store.supersede("tea", "Ada prefers cocoa", id="cocoa", origin="assistant")
    page.click("text=No longer true")
    choose(page, "Ada prefers cocoa")
    assert "Only a suggestion" in page.inner_text(".title")
    page.click("#accept")

    page.locator(".title", has_text="said by the person").wait_for()
    assert store.get("tea").superseded_by
    (hit,) = store.search("what does Ada prefer?", 1)
    assert (hit.memory.text, hit.memory.origin) == ("Ada prefers cocoa", "user")


def test_what_is_added_is_there_and_replaces_what_its_slot_held(page, window):
    page.click("#add")
    page.fill("#added", "Ada drinks cocoa now")
    page.fill("#slot", "drink")
    page.click("dialog >> button:text-is('Remember')")

    page.locator(".title h2", has_text="Ada drinks cocoa now").wait_for()
    assert "Ada prefers tea to coffee" in page.inner_text(".timeline")
    assert window.pool.get("ada").get("tea").superseded_by


def test_an_export_is_a_file_with_everything(page, window, tmp_path):
    with page.expect_download() as awaited:
        page.click("#export")
    awaited.value.save_as(tmp_path / "ada.jsonl")

    assert awaited.value.suggested_filename == "ada-2026-05-20.jsonl"
    copied = window.pool.get("copy")
    with (tmp_path / "ada.jsonl").open(encoding="utf-8") as lines:
        exports.restore(copied, lines)
    assert {m.id for m in copied.iterate()} == {m.id for m in window.pool.get("ada").iterate()}


def test_what_does_not_work_is_said_and_nothing_is_lost(page, window, open_page):
    choose(page, "Ada lives in Bergen")
    window.pool.get("ada").forget("bergen")
    page.click("#correct")
    page.fill("#corrected", "Ada lives in Trondheim")
    page.click("text=Save")

    page.locator("#toast", has_text="no memory with id 'bergen' in this store").wait_for()
    assert page.input_value("#corrected") == "Ada lives in Trondheim"
    assert [said for said in open_page.faults if "404" not in said] == []
    open_page.faults.clear()  # the browser notes each answer that is a refusal


# By keyboard alone


def test_a_fact_is_found_read_and_corrected_by_the_keyboard_alone(page):
    page.keyboard.press("/")
    page.keyboard.type("where does Ada live?")
    page.locator(".heading h2", has_text="where does Ada live?").wait_for()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.locator(".receipt").wait_for()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    page.locator(".title h2", has_text="Ada lives in Bergen").wait_for()
    for _ in range(60):
        if page.evaluate("document.activeElement.id") == "correct":
            break
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.type("Ada lives in Molde")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")

    page.locator(".title h2", has_text="Ada lives in Molde").wait_for()


def test_the_list_and_the_map_are_walked_by_arrows(page):
    def focused():
        return page.evaluate("document.activeElement.dataset.id ?? ''")

    page.locator("#found .row").first.focus()
    page.keyboard.press("End")
    last = focused()
    assert last == "cello"
    page.keyboard.press("Home")
    assert focused() == "hostile"
    page.keyboard.press("PageDown")
    assert focused() not in {"hostile", last}

    page.click("nav >> text=Map")
    page.locator("g.node.centre").first.focus()
    centre = focused()
    page.keyboard.press("ArrowRight")
    other = focused()
    assert other not in {"", centre}
    page.keyboard.press("Enter")
    page.locator(f"g.node.centre[data-id={other}]").wait_for()
    assert focused() == other


# Wherever it is looked at


def test_a_narrow_screen_shows_one_thing_at_a_time_and_nothing_beyond_its_edge(window, open_page):
    page = open_page(window.link())
    page.set_viewport_size({"width": 360, "height": 720})

    def is_wider():
        return page.evaluate("document.documentElement.scrollWidth > innerWidth")

    assert not is_wider()
    choose(page, "Ada lives in Bergen")
    assert not page.locator("#found").is_visible()
    assert not is_wider()
    page.click(".back")
    page.locator("#found").wait_for()
    assert not page.locator("#one").is_visible()
    page.click("nav >> text=Map")
    page.locator("svg.map").wait_for()
    assert not is_wider()
    page.click("#travel")
    assert not is_wider()


def test_dark_is_dark_and_can_be_chosen(window, open_page):
    def brightness(page):
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(map(int, colour.removeprefix("rgb(").rstrip(")").split(", ")))

    light, dark = open_page(window.link()), open_page(window.link(), color_scheme="dark")
    assert brightness(light) > 600
    assert brightness(dark) < 120
    dark.click("#theme")
    assert brightness(dark) > 600
    dark.reload()
    dark.wait_for_selector("html[data-ready]")
    assert brightness(dark) > 600


def test_of_10000_memories_those_in_sight_are_drawn(window, open_page):
    ada.fill(window.pool.get("many"), 10_000)
    page = open_page(window.link(), whose="many")
    frame = page.locator("#found .frame")

    def drawn():
        return page.locator("#found li").count()

    assert 5 < drawn() < 60
    frame.evaluate("each => each.scrollTop = each.scrollHeight")
    page.locator(".row", has_text="in note 3 of").wait_for()
    assert 5 < drawn() < 60
    page.locator("#found .row").last.focus()
    page.keyboard.press("Home")
    page.locator(".row", has_text="in note 9999 of").wait_for()


def test_the_benchmark_runs_at_a_size_that_says_nothing_of_speed():
    """In a process of its own: this one's browser is under way."""
    command = [sys.executable, ROOT / "benchmarks" / "window.py", "--memories=1200", "--rounds=1"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    rows = re.findall(r"^\| ([a-z ]+) \| (\d+) \| \d+ \| ([\d,]+) \|$", done.stdout, re.MULTILINE)
    names = [name for name, _, _ in rows]
    assert names[:3] == ["first paint", "first memories", "search"], done.stderr
    assert {"open a receipt", "correct", "undo", "forget for good", "open the map"} <= set(names)
    slow = {name for name, took, bar in rows if int(took) > int(bar.replace(",", ""))}
    assert done.returncode == bool(slow)
    assert all(name in done.stderr for name in slow)
