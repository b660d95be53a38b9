// What an assistant was told, turn by turn, the latest first.

import { latest } from "/api.js";
import { at, button, el, put } from "/dom.js";
import { body, go, state } from "/state.js";
import { counted, standing, time } from "/words.js";

const COUNT = 20;
const asked = latest("turns");

export async function showTurns(offset = 0) {
  const seen = await asked(body({ offset, count: COUNT }));
  if (seen === null || state.view !== "turns") return;
  const until = Math.min(seen.total, offset + COUNT);
  put(at("found"),
    el("div", { class: "heading" }, el("h2", {}, counted(seen.total, "turn")),
      seen.total > COUNT ? el("div", { class: "picks" },
        button("Newer", () => showTurns(Math.max(0, offset - COUNT)), { class: "pick", disabled: offset === 0 }),
        button("Older", () => showTurns(offset + COUNT), { class: "pick", disabled: until === seen.total })) : null),
    seen.total ? null : el("p", { class: "empty" }, "Nothing was told to an assistant yet."),
    el("div", { class: "frame", tabindex: "0", role: "region", "aria-label": "Turns" },
      el("ol", { class: "turns" }, seen.turns.map(turn))));
}

function turn({ turn: name, names, at: when, memories, scores }) {
  return el("li", {},
    el("h3", {}, el("span", { class: "when" }, time(when)), " ", el("span", { class: "faint" }, [name, ...names].map((each, nth) => [nth ? " · " : null, el("bdi", {}, each)]))),
    memories.length
      ? el("ul", { class: "links" }, memories.map((memory, nth) => el("li", { class: memory.holds ? null : "gone" },
        el("span", { class: "kind" }, scores[nth].toFixed(2)),
        button(memory.text, () => go({ id: memory.id }), { class: "inline", dir: "auto" }),
        memory.holds ? null : el("span", { class: "tag past" }, standing(memory)))))
      : el("p", { class: "faint" }, "It was told nothing, or what it was told is forgotten."));
}
