// The memories: all of them, of which only those in sight are drawn, or the answers to a question.

import { ask, latest } from "/api.js";
import { at, button, el, put } from "/dom.js";
import { bar, receipt } from "/receipt.js";
import { body, go, isPast, state } from "/state.js";
import { counted, number, origin, short, standing } from "/words.js";

const ROW = 74;
const PAGE = 100;
const BEYOND = 6;
const MORE = [30, 200];

const searched = latest("search");
let shown = null;

export async function showList({ keep = false } = {}) {
  if (state.ask) return showHits(MORE[0]);
  return showAll(keep);
}

export function select() {
  for (const row of at("found").querySelectorAll("[data-id]")) {
    if (row.dataset.id === state.id) row.setAttribute("aria-current", "true");
    else row.removeAttribute("aria-current");
  }
}

export function gist(memory, gate = null) {
  return el("span", { class: "gist" },
    memory.holds ? null : el("span", { class: "tag past" }, standing(memory, gate)),
    el("span", {}, memory.holds ? `since ${short(memory.since)}` : `from ${short(memory.since)}`),
    el("span", {}, origin(memory)),
    memory.key ? el("span", { class: "key" }, memory.key) : null,
    memory.supersedes.length && memory.holds ? el("span", { class: "tag" }, "replaced something") : null,
    memory.affirmed ? el("span", { class: "tag" }, `said again ${counted(memory.affirmed, "time")}`) : null);
}

function row(memory, given = {}) {
  return el("button", {
    type: "button", class: memory.holds ? "row" : "row gone", "data-id": memory.id,
    "aria-current": memory.id === state.id ? "true" : null,
    onclick: () => go({ id: memory.id }), ...given,
  }, el("span", { class: "text", dir: "auto" }, memory.text), gist(memory));
}

// All of them

async function showAll(keep) {
  const which = state.which;
  const before = keep && shown?.which === which ? shown.frame.scrollTop : 0;
  const mine = (shown = { which, total: 0, pages: new Map(), rows: new Map(), active: -1 });
  const first = await ask("page", body({ which, offset: 0, count: PAGE }));
  if (mine !== shown) return;
  mine.total = first.total;
  mine.pages.set(0, first.memories);
  mine.list = el("ul", { class: "all", style: { height: `${mine.total * ROW}px` } });
  mine.frame = el("div", { class: "frame" }, mine.list);
  mine.frame.addEventListener("scroll", () => draw(mine), { passive: true });
  mine.frame.addEventListener("keydown", (event) => step(mine, event));
  put(at("found"), heading(which, mine.total), mine.total ? mine.frame : nothing(which));
  mine.frame.scrollTop = before;
  draw(mine);
}

function heading(which, total) {
  const pick = (name, said) => button(said, () => go({ which: name }), { "aria-pressed": String(which === name), class: "pick" });
  return el("div", { class: "heading" },
    el("h2", {}, counted(total, "memory", "memories")),
    el("div", { class: "picks", role: "group", "aria-label": "Which" },
      pick("current", isPast() ? "True then" : "True now"), pick("past", isPast() ? "Not true then" : "No longer true")));
}

const nothing = (which) => el("p", { class: "empty" },
  which === "past" ? "Nothing has been replaced or has ended." : "Nothing is remembered yet. Add something, or let an assistant remember.");

function draw(mine) {
  if (mine !== shown || !mine.frame.isConnected) return;
  const from = Math.max(0, Math.floor(mine.frame.scrollTop / ROW) - BEYOND);
  const until = Math.min(mine.total, Math.ceil((mine.frame.scrollTop + mine.frame.clientHeight) / ROW) + BEYOND);
  for (const [place, item] of mine.rows) {
    if ((place < from || place >= until) && !item.contains(document.activeElement)) {
      item.remove();
      mine.rows.delete(place);
    }
  }
  for (let place = from; place < until; place += 1) {
    const page = mine.pages.get(Math.floor(place / PAGE));
    if (!page) fill(mine, Math.floor(place / PAGE));
    const memory = page?.[place % PAGE];
    const there = mine.rows.get(place);
    if (there && (there.dataset.full || !memory)) continue;
    const item = el("li", {
      "aria-setsize": mine.total, "aria-posinset": place + 1, "data-full": memory ? "yes" : null,
      style: { transform: `translateY(${place * ROW}px)` },
    }, memory ? row(memory) : el("span", { class: "row blank" }));
    there?.remove();
    mine.rows.set(place, item);
    mine.list.append(item);
  }
}

async function fill(mine, page) {
  mine.pages.set(page, undefined);
  if ((mine.asked ??= new Set()).has(page)) return;
  mine.asked.add(page);
  const answer = await ask("page", body({ which: mine.which, offset: page * PAGE, count: PAGE }));
  mine.pages.set(page, answer.memories);
  draw(mine);
}

function step(mine, event) {
  const page = Math.max(1, Math.floor(mine.frame.clientHeight / ROW) - 1);
  const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
  if (!(event.key in steps)) return;
  event.preventDefault();
  const here = [...mine.rows].find(([, item]) => item.contains(document.activeElement))?.[0] ?? -1;
  const place = Math.min(mine.total - 1, Math.max(0, here + steps[event.key]));
  const top = place * ROW;
  if (top < mine.frame.scrollTop) mine.frame.scrollTop = top;
  if (top + ROW > mine.frame.scrollTop + mine.frame.clientHeight) mine.frame.scrollTop = top + ROW - mine.frame.clientHeight;
  draw(mine);
  mine.rows.get(place)?.querySelector("button")?.focus({ preventScroll: true });
}

// The answers to a question

async function showHits(count) {
  shown = null;
  const answer = await searched(body({ question: state.ask, count }));
  if (answer === null || !state.ask) return;
  const best = answer.hits[0]?.score ?? 0;
  const items = answer.hits.map((hit, nth) => hitRow(hit, nth, best));
  const list = el("ul", { class: "hits", onkeydown: (event) => stepAmong(event) }, items);
  put(at("found"),
    el("div", { class: "heading" },
      el("h2", {}, answer.hits.length ? `The best ${number(answer.hits.length)} for “${shortened(state.ask)}”` : `Nothing for “${shortened(state.ask)}”`),
      button("All memories", () => go({ ask: "" }), { class: "pick" })),
    answer.period ? el("p", { class: "note" }, `You asked about a time: ${short(answer.period[0])} to ${short(answer.period[1])}.`) : null,
    el("div", { class: "frame" }, list,
      answer.hits.length === count && count < MORE.at(-1) ? button("Show more", () => showHits(MORE.at(-1)), { class: "more" }) : null));
}

const shortened = (text) => (text.length > 60 ? `${text.slice(0, 60)}…` : text);

function hitRow(hit, nth, best) {
  const id = `receipt-${nth}`;
  const item = el("li", {}, row(hit.memory));
  const toggle = button([bar(hit, best), el("span", { class: "score" }, hit.score.toFixed(2))], () => {
    const open = item.querySelector(".receipt");
    toggle.setAttribute("aria-expanded", String(!open));
    if (open) open.remove();
    else item.append(receipt(hit, id));
  }, { class: "weigh", "aria-expanded": "false", "aria-label": `Score ${hit.score.toFixed(2)}: why?` });
  item.append(toggle);
  return item;
}

function stepAmong(event) {
  const steps = { ArrowDown: 1, ArrowUp: -1 };
  if (!(event.key in steps)) return;
  const rows = [...event.currentTarget.querySelectorAll("button.row")];
  const here = rows.findIndex((each) => each.parentElement.contains(document.activeElement));
  rows[Math.min(rows.length - 1, Math.max(0, here + steps[event.key]))]?.focus();
  event.preventDefault();
}

export function focusFirst() {
  at("found").querySelector("button.row")?.focus();
}
