// The moment that the whole page looks at: what was true on a day, as far as was known on another.

import { at, button, el, put } from "/dom.js";
import { go, isPast, state } from "/state.js";
import { day, seconds } from "/words.js";

const DAY = 86_400;
let span = null;
let isOpen = false;

export function setSpan(first, last) {
  const end = Math.max(Date.now() / 1000, last ? seconds(last) : 0);
  const begin = midnight(first ? seconds(first) : end - DAY);
  span = { begin, days: Math.max(1, between(begin, midnight(end))) };
}

// Days are the person's own, by their clock's midnights, which are not always a day apart.
function midnight(when, later = 0) {
  const at_ = new Date(when * 1000);
  return new Date(at_.getFullYear(), at_.getMonth(), at_.getDate() + later);
}

const between = (begin, end) => Math.round((end - begin) / 1000 / DAY);

// A day is looked at as of its end; the last is today, as of now.
const moment = (place) => (place >= span.days ? null : midnight(span.begin / 1000, place + 1) / 1000 - 1);
const placed = (when) => (when === null ? span.days : Math.min(span.days - 1, Math.max(0, between(span.begin, midnight(when)))));
const told = (when) => (when === null ? "today" : day(when));

export function showTime() {
  if (!span) return;
  const place = at("time");
  place.classList.toggle("past", isPast());
  isOpen = isOpen || isPast();
  if (!isOpen) {
    put(place, el("p", {}, "You see what is true today. ", button("Look at the past", open, { class: "inline", id: "travel" })));
    return;
  }
  if (place.querySelector("input")) {
    refresh(place);
    return;
  }
  put(place, slider("as_of", "What was true on"), slider("known_at", "As far as was known on"),
    button("Back to today", () => {
      isOpen = false;
      const wasPast = isPast();
      go({ as_of: null, known_at: null });
      put(place);
      if (!wasPast) showTime();
    }, { class: "pick", id: "today" }));
}

function open() {
  isOpen = true;
  put(at("time"));
  showTime();
  at("as_of").focus();
}

function slider(name, said) {
  const output = el("output", { for: name, id: `${name}-said` }, told(state[name]));
  const input = el("input", {
    type: "range", id: name, min: "0", max: span.days, step: "1", value: String(placed(state[name])),
    "aria-valuetext": told(state[name]),
    oninput: () => go({ [name]: moment(Number(input.value)) }, { quietly: true }),
  });
  return el("div", { class: "slider" }, el("label", { for: name }, said, " "), output, input);
}

function refresh(place) {
  for (const name of ["as_of", "known_at"]) {
    const input = place.querySelector(`#${name}`);
    if (Number(input.value) !== placed(state[name])) input.value = String(placed(state[name]));
    input.setAttribute("aria-valuetext", told(state[name]));
    put(place.querySelector(`#${name}-said`), told(state[name]));
  }
}
