"""Nobody else gets in, what memories say stays text, and everybody can use it."""

from __future__ import annotations

import ada
import httpx
import pytest

pytestmark = pytest.mark.browser


def test_a_memory_that_tries_to_run_script_is_shown_as_what_it_says(page):
    page.locator(".row", has_text="<img src=x").click()
    page.locator(".title h2", has_text="<script>").wait_for()
    page.fill("#question", ada.HOSTILE)
    page.locator(".heading h2", has_text="<img").wait_for()
    page.click("#correct")
    page.click("text=Save")
    page.locator("#toast", has_text="It says so already.").wait_for()
    page.click("#forget")
    page.locator("dialog li", has_text="<script>").wait_for()

    assert page.inner_text(".title h2") == ada.HOSTILE
    assert page.evaluate("window.ran") is None
    assert page.locator("main img, main script, dialog img, dialog script").count() == 0


def test_a_letter_with_hundreds_of_marks_is_drawn_over_nothing_else(window, open_page):
    store = window.pool.get("bob")
    marks = "Bob swims" + "\N{COMBINING RETROFLEX HOOK BELOW}" * 400
    ids = [store.add(text, origin="user").id for text in ("Bob sails", marks)]

    page = open_page(window.link(), whose="bob")
    below = page.locator(".part-of", has_text="What it was used for")
    seen = []
    for id_ in ids:
        page.evaluate("id => { location.hash = `whose=bob&id=${id}`; }", id_)
        page.locator(".rest dd", has_text=id_).wait_for(state="attached")
        page.evaluate("document.activeElement.blur()")
        seen.append(below.screenshot())
    assert seen[0] == seen[1]
    page.evaluate("document.querySelector('.title h2').style.overflow = 'visible'")
    assert below.screenshot() != seen[0], "else they are, down to the end of the page"


def test_the_same_text_does_run_in_a_page_that_does_not_escape_it(chromium):
    """The negative control: without our page it is a script."""
    page = chromium.new_page()
    page.set_content(f"<p>{ada.HOSTILE}</p>")
    page.wait_for_function("window.ran === 'img'")
    page.set_content(ada.HOSTILE.replace("<img", "<i"))
    page.wait_for_function("window.ran === 'script'")
    page.close()


def test_the_browser_itself_refuses_to_make_markup_of_text_and_to_run_what_is_inline(
    page, open_page
):
    """The second lock: were the page to forget itself, its policy would not."""
    made = page.evaluate(
        """async text => {
            const tried = [];
            await new Promise(done => setTimeout(done));  // a debugger's own call may do more
            for (const way of [
                () => { document.body.innerHTML = text; },
                () => document.write(text),
                () => new Function('window.ran = 1')(),
            ]) {
                try { way(); tried.push('made'); } catch (error) { tried.push(error.name); }
            }
            return tried;
        }""",
        ada.HOSTILE,
    )

    assert made == ["TypeError", "TypeError", "EvalError"]
    assert page.evaluate("window.ran") is None
    assert all("blocked" in said or "violates" in said for said in open_page.faults), (
        open_page.faults
    )
    open_page.faults.clear()  # the browser notes each attempt


@pytest.mark.parametrize("token", ["", "#", "#wrong", "#whose=ada"])
def test_without_a_link_that_opens_it_the_page_says_so_and_shows_nothing(window, chromium, token):
    window.visits.invite()
    page = chromium.new_page()
    page.goto(window.address + token)

    page.locator("h1", has_text="This link does not open anything any more.").wait_for()
    assert "Ada" not in page.content()
    page.close()


def test_a_link_opens_one_page_and_its_token_is_not_left_in_the_address(
    window, open_page, chromium
):
    link = window.link()
    page = open_page(link)
    assert link.partition("#")[2] not in page.url
    assert window.admissions == 1
    page.reload()
    page.wait_for_selector("html[data-ready]")

    other = chromium.new_page()
    other.goto(link)
    other.locator("h1", has_text="This link does not open anything any more.").wait_for()
    other.close()
    assert page.context.cookies() == []


def test_a_page_elsewhere_can_neither_read_nor_frame_nor_change_it(window, open_page, chromium):
    """From another port of this machine, which is another origin; it even knows the key."""
    page = open_page(window.link())
    key = page.evaluate("sessionStorage.getItem('feather-memory.key')")
    other = chromium.new_page()
    other.route("http://127.0.0.1:1/", lambda route: route.fulfill(body="<h1>elsewhere</h1>"))
    other.goto("http://127.0.0.1:1/")
    said = other.evaluate(
        """async ([address, authorization]) => {
            const ask = (mode, headers) => fetch(`${address}api/correct`, {
                method: 'POST', mode, headers,
                body: JSON.stringify({tenant: 'ada', id: 'tea', text: 'Ada hates tea'}),
            }).then(answer => answer.type, error => error.name);
            const frame = document.createElement('iframe');
            frame.src = address;
            const framed = new Promise(done => { frame.onload = done; });
            document.body.append(frame);
            await framed;
            return [await ask('cors', {authorization}), await ask('no-cors', {})];
        }""",
        [window.address, f"Bearer {key}"],
    )

    assert said == ["TypeError", "TypeError"]
    assert [frame.url for frame in other.frames[1:]] == ["chrome-error://chromewebdata/"]
    other.close()
    tea = window.pool.get("ada").get("tea")
    assert (tea.text, tea.superseded_by) == ("Ada prefers tea to coffee", ())


def test_by_another_name_or_from_another_origin_nothing_is_answered(window):
    key = window.visits.admit(window.visits.invite())
    held = {"authorization": f"Bearer {key}"}
    asked = f"{window.address}api/place"

    assert httpx.post(asked, json={}, headers=held).status_code == 200
    rebound = httpx.post(asked, json={}, headers={**held, "host": "example.org"})
    foreign = httpx.post(asked, json={}, headers={**held, "origin": "http://example.org"})
    assert (rebound.status_code, foreign.status_code) == (421, 403)


VIEWS = {
    "memories": lambda page: None,
    "one": lambda page: (page.click(".row >> text=Ada lives in Bergen"),
                         page.locator(".timeline").wait_for()),
    "search": lambda page: (page.fill("#question", "where does Ada live?"),
                            page.locator(".weigh").first.click()),
    "past": lambda page: (page.click("text=No longer true"),
                          page.locator(".row.gone").first.wait_for()),
    "travel": lambda page: (page.click("#travel"), page.locator("#as_of").press("Home"),
                            page.locator(".time.past").wait_for()),
    "map": lambda page: (page.click("nav >> text=Map"), page.locator("g.node").first.wait_for()),
    "turns": lambda page: (page.click("nav >> text=What was used"),
                           page.locator(".turns").wait_for()),
    "correct": lambda page: (page.click(".row >> text=Ada lives in Bergen"),
                             page.click("#correct")),
    "forget": lambda page: (page.click(".row >> text=Ada lives in Bergen"),
                            page.click("#forget"), page.locator("dialog li").wait_for()),
    "add": lambda page: page.click("#add"),
    "toast": lambda page: (page.click(".row >> text=Ada lives in Bergen"),
                           page.click("text=Not useful"), page.locator("#undo").wait_for()),
}  # fmt: skip


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 375])
def test_axe_finds_nothing_serious_in_any_view(window, open_page, axe, colours, width):
    found = []
    for name, look in VIEWS.items():
        page = open_page(window.link(), color_scheme=colours, reduced_motion="reduce")
        page.set_viewport_size({"width": width, "height": 760})
        look(page)
        page.wait_for_timeout(50)  # for what is drawn by then
        page.evaluate(axe)
        said = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        found += [
            f"{name}: {fault['id']}: {node['target']}: {node['failureSummary']}"
            for fault in said["violations"]
            for node in fault["nodes"]
        ]
        page.context.close()

    assert found == []


def test_axe_would_find_a_fault(page, axe):
    """The negative control."""
    page.evaluate("document.querySelector('#search label').remove()")
    page.evaluate("document.querySelector('#question').removeAttribute('placeholder')")
    page.evaluate(axe)
    said = page.evaluate("axe.run(document)")

    assert {fault["id"] for fault in said["violations"]} == {"label"}
