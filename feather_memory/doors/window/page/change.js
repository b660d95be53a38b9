// Putting it right: correct, affirm, weigh, add, forget; and undo of all but the last.

import { ask, fetched } from "/api.js";
import { at, button, el, put } from "/dom.js";
import { go, state } from "/state.js";
import { counted, day, short } from "/words.js";

const SHOWN = 12_000;
let undoable = null;
let hiding = 0;

export function say(said, undo = null) {
  clearTimeout(hiding);
  undoable = undo;
  put(at("toast"), el("span", {}, said), undo ? button("Undo", undoLast, { id: "undo" }) : null);
  at("toast").classList.add("seen");
  hiding = setTimeout(() => at("toast").classList.remove("seen"), SHOWN);
}

// Somebody else is shown: what was begun for one person is neither finished nor undone for another.
export function leave() {
  undoable = null;
  at("toast").classList.remove("seen");
  for (const open of document.querySelectorAll("dialog")) open.close();
}

export const failing = (work) => async (...given) => {
  try {
    return await work(...given);
  } catch (error) {
    say(error.message);
    return null;
  }
};

const changed = (id) => go({ id }, { changed: true });
const mine = (more) => ({ tenant: state.whose, ...more });

export const undoLast = failing(async () => {
  if (!undoable) return;
  const change = undoable;
  undoable = null;
  const { id } = await ask("undo", mine({ change }));
  say("Undone.");
  changed(id);
});

export function correct(memory, place) {
  const field = el("textarea", { id: "corrected", rows: "3", value: memory.text, dir: "auto", "aria-label": "What is true" });
  const form = el("form", {
    class: "correcting",
    onsubmit: failing(async (event) => {
      event.preventDefault();
      const done = await ask("correct", mine({ id: memory.id, text: field.value.trim() }));
      say(done.said === "known" ? "It says so already." : "Corrected. What it said before is kept as its past.", done.change);
      changed(done.memory.id);
    }),
    onkeydown: (event) => {
      if (event.key === "Escape") back();
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
      event.stopPropagation();
    },
  }, el("label", { for: "corrected" }, "What is true?"), field,
  el("div", { class: "line" }, el("button", { type: "submit", class: "main" }, "Save"), button("Cancel", back)));
  function back() {
    form.replaceWith(place);
    place.querySelector("button")?.focus();
  }
  place.replaceWith(form);
  field.focus();
  field.select();
}

// What was replaced, or only suggested, is true: it stands in the place of what stood there.
export const accept = failing(async (memory, wrong) => {
  const done = await ask("correct", mine({ id: wrong, text: memory.text }));
  say(done.change ? "It is true from now on." : "It stands already.", done.change);
  changed(done.memory.id);
});

export const affirm = failing(async (memory) => {
  const done = await ask("affirm", mine({ id: memory.id }));
  say("Noted: it is still true.", done.change);
  changed(memory.id);
});

export const weigh = failing(async (memory, kind) => {
  const done = await ask("weigh", mine({ id: memory.id, kind }));
  say(kind === "liked" ? "It matters more from now on." : "It matters less from now on.", done.change);
  changed(memory.id);
});

function dialog(name, ...children) {
  const box = el("dialog", { "aria-labelledby": "dialog-name", onclose: () => box.remove() },
    el("h2", { id: "dialog-name" }, name), children);
  document.body.append(box);
  box.showModal();
  return box;
}

export function add() {
  const field = el("textarea", { id: "added", rows: "3", required: true, dir: "auto" });
  const key = el("input", { id: "slot", type: "text", placeholder: "home.city" });
  const box = dialog("Add a memory", el("form", {
    onsubmit: failing(async (event) => {
      event.preventDefault();
      const done = await ask("add", mine({ text: field.value.trim(), key: key.value.trim() || null }));
      box.close();
      say(done.change ? "Remembered." : "That is remembered already.", done.change);
      changed(done.memory.id);
    }),
  },
  el("label", { for: "added" }, "What should be remembered?"), field,
  el("label", { for: "slot" }, "If it is the current value of something, of what? It then replaces what stood there."), key,
  el("div", { class: "line" }, el("button", { type: "submit", class: "main" }, "Remember"), button("Cancel", () => box.close()))));
}

export const forget = failing(async (memory) => {
  const chosen = new Set([memory.id]);
  const plan = await ask("forget", mine({ ids: [...chosen] }));
  const others = plan.also;
  const going = el("div", { class: "plan" });
  let current = plan;
  const show = () => put(going,
    el("ul", {}, current.memories.map((each) => el("li", { dir: "auto" }, each.text))),
    el("p", {}, "With it go ", [
      counted(current.edges, "link"), counted(current.signals, "sign of use", "signs of use"),
      counted(current.recalls, "entry of what was told", "entries of what was told"),
    ].join(", "), "."));
  const also = others.length ? el("fieldset", {}, el("legend", {}, "These say or said something of the same, and stay unless you choose them:"),
    others.map((each, nth) => el("div", { class: "choice" },
      el("input", {
        type: "checkbox", id: `also-${nth}`,
        onchange: failing(async (event) => {
          if (event.target.checked) chosen.add(each.id);
          else chosen.delete(each.id);
          current = await ask("forget", mine({ ids: [...chosen] }));
          show();
        }),
      }), el("label", { for: `also-${nth}`, dir: "auto" }, each.text, el("small", {}, ` ${short(each.since)}`))))) : null;
  const box = dialog("Forget this for good?", going, also,
    el("p", { class: "grave" }, "It is erased from the file, and from what was logged of it. This cannot be undone."),
    el("div", { class: "line" },
      button("Keep it", () => box.close(), { autofocus: true }),
      button("Forget for good", failing(async () => {
        await ask("forget", mine({ ids: current.memories.map((each) => each.id), confirm: current.confirm }));
        box.close();
        say(`${counted(current.memories.length, "memory", "memories")} forgotten for good.`);
        changed("");
      }), { class: "grave", id: "really" })));
  show();
});

export const exported = failing(async () => {
  const all = await fetched("export", { tenant: state.whose });
  const url = URL.createObjectURL(all);
  const name = state.whose.replace(/[^\p{L}\p{N}._-]+/gu, "-").slice(0, 80) || "memory";
  el("a", { href: url, download: `${name}-${new Date().toISOString().slice(0, 10)}.jsonl` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
  say(`Everything that is remembered, as of ${day(new Date().toISOString())}. “feather-memory import” reads it.`);
});
