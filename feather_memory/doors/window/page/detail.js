// One memory: what it says, what it was before, what it is linked to, what it weighs, who was told.

import { ask, latest } from "/api.js";
import { importance } from "/chart.js";
import { accept, affirm, correct, forget, weigh } from "/change.js";
import { at, button, el, put } from "/dom.js";
import { body, go, isPast, state } from "/state.js";
import { counted, day, link, origin, short, signal, standing, time, why } from "/words.js";

const looked = latest("memory");

export async function showOne() {
  const place = at("one");
  at("room").classList.toggle("opened", Boolean(state.id));
  if (!state.id) {
    put(place, el("p", { class: "empty" }, "Choose a memory to see where it comes from, and to put it right."));
    return;
  }
  const seen = await looked(body({ id: state.id }));
  if (seen === null || seen.memory.id !== state.id) return;
  put(place,
    button("← Back", () => go({ id: "" }), { class: "back" }),
    title(seen), actions(seen), history(seen), links(seen), weight(seen), uses(seen), whyNot(seen), rest(seen.memory));
  place.scrollTop = 0;
}

function part(name, ...children) {
  return el("section", { class: "part-of" }, el("h3", {}, name), children);
}

function title({ memory, reason }) {
  let told = `since ${day(memory.since)}`;
  if (reason === "not_yet_valid") told = `true from ${day(memory.since)} on`;
  else if (!memory.holds && memory.until > memory.since) told = `from ${day(memory.since)} until ${day(memory.until)}`;
  return el("header", { class: "title" },
    el("p", { class: memory.holds ? "standing" : "standing past" }, standing(memory, reason), " ", el("span", {}, told)),
    el("h2", { dir: "auto", tabindex: "-1" }, memory.text),
    el("p", { class: "gist" },
      el("span", {}, origin(memory)),
      el("span", {}, `learned on ${day(memory.learned)}`),
      memory.affirmed ? el("span", {}, `said again ${counted(memory.affirmed, "time")}, last on ${short(memory.affirmed_at)}`) : null,
      memory.expires ? el("span", {}, `told until ${day(memory.expires)}`) : null));
}

function actions(seen) {
  const { memory } = seen;
  if (isPast()) {
    return el("p", { class: "note" }, "You are looking at the past, which is kept as it was. ",
      button("Back to now", () => go({ as_of: null, known_at: null }), { class: "inline" }));
  }
  const wrong = contested(seen);
  const here = el("div", { class: "actions" },
    button("Correct", () => correct(memory, here), { class: "main", id: "correct" }),
    memory.holds ? button("Still true", () => affirm(memory)) : null,
    wrong ? button("It is true", () => accept(memory, wrong), { id: "accept" }) : null,
    button("Useful", () => weigh(memory, "liked")),
    button("Not useful", () => weigh(memory, "disliked")),
    button("Forget…", () => forget(memory), { class: "grave", id: "forget" }));
  return here;
}

// In whose place the memory would stand, if it is true after all: of a suggestion what it contradicts.
function contested({ memory, links: linked }) {
  if (memory.holds) return null;
  const other = linked.find((each) => each.type === "contradicts" && each.is_outgoing)?.other;
  return other ? other.id : memory.superseded_by.length ? memory.id : null;
}

function history({ memory, history: versions }) {
  if (versions.length < 2) return null;
  return part("How it changed",
    el("ol", { class: "timeline" }, versions.toReversed().map((version) => el("li", { class: version.holds ? "now" : "then" },
      el("span", { class: "when" }, span(version)),
      version.id === memory.id
        ? el("span", { class: "text", dir: "auto", "aria-current": "true" }, version.text)
        : button(version.text, () => go({ id: version.id }), { class: "text inline", dir: "auto" })))));
}

function span(version) {
  if (version.until && version.until <= version.since) return `${short(version.since)}: only suggested`;
  return version.until ? `${short(version.since)} – ${short(version.until)}` : `since ${short(version.since)}`;
}

function links({ links: linked }) {
  const shown = linked.filter((each) => each.type !== "supersedes");
  if (!shown.length) return null;
  return part("What it goes with",
    el("ul", { class: "links" }, shown.map((each) => el("li", { class: each.other.holds ? null : "gone" },
      el("span", { class: "kind" }, link(each.type, each.is_outgoing)),
      button(each.other.text, () => go({ id: each.other.id }), { class: "inline", dir: "auto" })))),
    button("Walk from here", () => go({ view: "map" }), { class: "pick" }));
}

function weight({ importances, signals }) {
  const points = importances.length > 1 ? importance(importances, state.as_of ?? state.known_at ?? Date.now() / 1000) : null;
  const now = importances.at(-1)[1];
  return part("How much it matters",
    el("p", {}, `${now.toFixed(2)} of 1`, signals.length ? "." : ": nobody has said yet whether it is of use."),
    points,
    signals.length ? el("ul", { class: "signals" }, signals.toReversed().slice(0, 20).map((each) =>
      el("li", { class: each.is_taken_back ? "gone" : null },
        el("span", { class: "when" }, time(each.at)), signal(each.kind),
        each.strength < 1 ? `, shared with others (${each.strength.toFixed(2)})` : "",
        each.is_taken_back ? ", taken back" : ""))) : null);
}

function uses({ uses: used, memory }) {
  if (!used.length) return part("What it was used for", el("p", {}, memory.recalls ? `It was told in ${counted(memory.recalls, "turn")}, too long ago to say which.` : "It was not told to an assistant yet."));
  return part("What it was used for",
    el("ul", { class: "signals" }, used.map((each) => el("li", {},
      el("span", { class: "when" }, time(each.at)), "turn ", el("bdi", {}, each.turn), el("span", { class: "faint" }, ` scored ${each.score.toFixed(2)}`)))),
    button("All turns", () => go({ view: "turns" }), { class: "pick" }));
}

function whyNot({ memory }) {
  const field = el("input", { id: "why", type: "text", maxlength: "8000", placeholder: "A question, as it was asked" });
  const answer = el("p", { class: "verdict", role: "status" });
  const form = el("form", {
    class: "why",
    onsubmit: async (event) => {
      event.preventDefault();
      if (!field.value.trim()) return;
      const verdict = await ask("why-not", body({ id: memory.id, question: field.value }));
      put(answer, why(verdict));
    },
  }, el("label", { for: "why" }, "An assistant was asked something and was not told this. Why?"),
  el("div", { class: "line" }, field, el("button", { type: "submit" }, "Say why")), answer);
  return part("Why it is not found", form);
}

function rest(memory) {
  const told = [
    ["slot", memory.key], ["conversation", memory.session], ["who said it", memory.actor],
    ["as", memory.role], ["how", memory.manner], ["told in", counted(memory.recalls, "turn")], ["id", memory.id],
    ...Object.entries(memory.metadata).map(([name, value]) => [name, typeof value === "string" ? value : JSON.stringify(value)]),
  ].filter(([, value]) => value);
  return el("details", { class: "rest" }, el("summary", {}, "Everything else"),
    el("dl", {}, told.map(([name, value]) => [el("dt", {}, name), el("dd", { dir: "auto" }, String(value))])));
}
