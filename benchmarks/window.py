"""How soon the window answers in a real Chromium over 10,000 memories: first paint, and each act.

    python benchmarks/window.py            # prints a table; with --write into docs/window.md, too

An act is timed in the page: from the event to the frame in which what was asked for stands. Needs
what `make test-browser` needs.
"""

from __future__ import annotations

import argparse
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "window.md"
FIRST_PAINT, ACT = 1_000, 200
"""Milliseconds: the bars."""

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync",
         "--disable-background-networking", "--disable-component-update"]  # fmt: skip

# Called in the page. What is waited for is looked at in each frame, and counts when it is painted.
TIMED = """([act, done]) => new Promise((told, failed) => {
    const act_ = new Function(act), done_ = new Function(`return ${done}`);
    const begun = performance.now();
    act_();
    const look = () => {
        if (performance.now() - begun > 20000) failed(new Error(done));
        else if (done_()) requestAnimationFrame(() => told(performance.now() - begun));
        else requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
})"""
FIRST = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
SHOWN = "performance.getEntriesByName('shown')[0]?.startTime ?? performance.now()"


@dataclass(frozen=True)
class Act:
    """One thing a person does, as scripts: to get there, to do it, and when it is done."""

    name: str
    do: str
    done: str
    before: str = ""
    ready: str = "true"


def press(what: str) -> str:
    return f"document.querySelector(`{what}`).click();"


def named(where: str, said: str) -> str:
    """A script that presses the button there that says so."""
    buttons = f"[...document.querySelectorAll(`{where} button`)]"
    return f"{buttons}.find(b => b.textContent.startsWith(`{said}`)).click();"


def typed(field: str, said: str) -> str:
    return (
        f"const f = document.querySelector(`{field}`); f.value = `{said}`; "
        "f.dispatchEvent(new Event('input', {bubbles: true}));"
    )


def has(what: str, said: str = "") -> str:
    return f"[...document.querySelectorAll(`{what}`)].some(e => e.textContent.includes(`{said}`))"


def acts(turn: int) -> list[Act]:
    """What is done in one round over a store that rounds before have changed a little."""
    title = ".title h2"
    ask = f"what did Ada write about gulls in note {9_000 + turn}?"
    back = named("#views", "Memories") + "document.querySelector('#found .frame')?.scrollTo(0, 0);"
    correction = f"Ada corrected this in round {turn}"
    return [
        Act("search", typed("#question", ask),
            has(".heading h2", ask[:40]) + "&&" + has(".hits li")),
        Act("open a receipt", press(".hits li:nth-child(2) .weigh"), has(".hits .receipt tfoot")),
        Act("open a memory", press(f".hits li:nth-child({turn % 9 + 1}) .row"),
            has(title) + f"&& document.querySelector('{title}').textContent === "
            f"document.querySelector('.hits li:nth-child({turn % 9 + 1}) .text').textContent"),
        Act("all memories", named(".heading", "All"), has(".all .row", "in note")),
        Act("jump to the end of the list",
            "const f = document.querySelector('#found .frame'); "
            "f.scrollTop = f.scrollHeight * 0.9;",
            "document.querySelectorAll('.all .row:not(.blank)').length > 5 && "
            "!document.querySelector('.all .row.blank')"),
        Act("no longer true", named(".picks", "No longer"), has(".all .row.gone")),
        Act("true now", named(".picks", "True now"), has(".all .row", "in note")
            + "&& !document.querySelector('.all .row.gone')"),
        Act("look at a day in the past",
            f"const s = document.querySelector('#as_of'); s.value = {600 - turn}; "
            "s.dispatchEvent(new Event('input', {bubbles: true})); "
            "document.querySelector('#found .heading').remove();",
            has(".heading h2", "memories") + "&&" + has("#as_of-said", "2024"),
            before=press("#travel"), ready=has("#as_of-said")),
        Act("back to today", "document.querySelector('#found .heading').remove();"
            + press("#today"), has(".heading h2", "memories")),
        Act("open the map", named("#views", "Map"), has("svg.map g.node"),
            before="document.body.dispatchEvent(new KeyboardEvent('keydown', "
            "{key: 'Escape', bubbles: true}));", ready=has("#one .empty")),
        Act("walk to another memory",
            "window.was = document.querySelector('g.centre').dataset.id; "
            "document.querySelector('g.node.hop-1').dispatchEvent(new MouseEvent('click'));",
            "document.querySelector('g.centre').dataset.id !== window.was"),
        Act("what was used", named("#views", "What"), has(".turns > li")),
        Act("correct", f"document.querySelector('#corrected').value = `{correction}`; "
            "document.querySelector('.correcting').requestSubmit();",
            has(title, correction) + "&&" + has(".timeline li", correction),
            before=back + press("#correct"), ready=has(".correcting")
            + "&&" + has(".all .row", "in note")),
        Act("undo", press("#undo"), has("#toast", "Undone") + "&& !" + has(title, correction)),
        Act("still true", named(".actions", "Still"), has("#toast", "still true")),
        Act("useful", named(".actions", "Useful"), has(".signals", "found useful")),
        Act("what forgetting would take", press("#forget"), has("dialog .plan li")),
        Act("forget for good", press("#really"), has("#toast", "forgotten for good")
            + "&& !document.querySelector('dialog')"),
    ]  # fmt: skip


@contextmanager
def window(folder: Path) -> Iterator[Callable[[], str]]:
    """A window as the command opens it; the next link that opens a page."""
    command = [sys.executable, "-m", "feather_memory", "window", str(folder), "--no-browser"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = process.stderr

        def link() -> str:
            for line in said:
                if found := re.search(r"http://\S+#\S+", line):
                    return found[0]
            raise SystemExit("the window was not opened")

        try:
            yield link
        finally:
            process.terminate()


def filled(folder: Path, count: int) -> None:
    sys.path.insert(0, str(ROOT / "tests"))
    ada = import_module("ada")
    from feather_memory import HashEmbedder, TenantPool

    with TenantPool(folder, embedder=HashEmbedder()) as pool:
        store = pool.get("ada")
        ada.fill(store, count)
        for nth in range(40):
            store.recall(f"what about the {ada.TOPICS[nth % 16]} book?", 10, turn=f"turn {nth}")


def measured(count: int, rounds: int) -> dict[str, list[float]]:
    """Milliseconds by what was done; the first paint and the first memories among them."""
    times: dict[str, list[float]] = {}
    folder = Path(tempfile.mkdtemp())
    program = shutil.which("chromium")
    if program is None:
        raise SystemExit("there is no chromium: apt-get install chromium")
    try:
        filled(folder, count)
        with (
            window(folder) as link,
            import_module("playwright.sync_api").sync_playwright() as playwright,
        ):
            browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
            for turn in range(rounds):
                page = browser.new_context(bypass_csp=True).new_page()  # for TIMED
                page.goto(link())
                page.wait_for_selector(".all .row:not(.blank)")
                times.setdefault("first paint", []).append(page.evaluate(FIRST))
                times.setdefault("first memories", []).append(page.evaluate(SHOWN))
                for act in acts(turn):
                    once(page, act, times)
                page.context.close()
            browser.close()
    finally:
        shutil.rmtree(folder)
    return times


def once(page: Any, act: Act, times: dict[str, list[float]]) -> None:
    if act.before:
        page.evaluate(f"() => {{ {act.before} }}")
    page.wait_for_function(act.ready)
    page.wait_for_load_state("networkidle")
    times.setdefault(act.name, []).append(page.evaluate(TIMED, [act.do, act.done]))


def table(times: dict[str, list[float]]) -> str:
    rows = [
        f"| {name} | {statistics.median(all_):.0f} | {max(all_):.0f} | {bar(name):,} |"
        for name, all_ in times.items()
    ]
    return "\n".join(["| ms | median | slowest | bar |", "|---|---|---|---|", *rows])


def bar(name: str) -> int:
    return FIRST_PAINT if name.startswith("first") else ACT


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--memories", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--write", action="store_true", help="write the table into docs/window.md")
    given = parser.parse_args()
    times = measured(given.memories, given.rounds)
    said = table(times)
    print(said)
    if given.write:
        text = PAGE.read_text("utf-8")
        marked = re.sub(
            r"(<!-- measured -->\n).*?(\n<!-- until here -->)",
            rf"\1\n{said}\n\2",
            text,
            flags=re.DOTALL,
        )
        PAGE.write_text(marked, "utf-8")
    missed = [name for name, all_ in times.items() if statistics.median(all_) > bar(name)]
    if missed:
        raise SystemExit(f"missed: {', '.join(missed)}")


if __name__ == "__main__":
    main()
