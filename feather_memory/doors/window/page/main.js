// The page: who is shown, which view, and what happens when any of it changes.

import { ask, enter, Refused } from "/api.js";
import { add, exported, failing, leave, say, undoLast } from "/change.js";
import { showOne } from "/detail.js";
import { at, button, el, put } from "/dom.js";
import { focusFirst, select, showList } from "/list.js";
import { address, go, onchange, state } from "/state.js";
import { setSpan, showTime } from "/time.js";
import { showTurns } from "/turns.js";
import { showWalk } from "/walk.js";

const VIEWS = { memories: "Memories", map: "Map", turns: "What was used" };
const WHEN = ["as_of", "known_at"];
const WAIT = 50;
const MOST = 500;

const has = (changed, ...names) => names.some((name) => changed.has(name));

const show = failing(async (changed) => {
  showTime();
  showViews();
  if (document.activeElement !== at("question")) at("question").value = state.ask;
  if (changed.has("whose")) {  // nothing of one person's stands under another's name
    put(at("found"));
    put(at("one"));
    leave();
    showName();
  }
  const work = [];
  if (has(changed, "whose", "changed")) work.push(spanned(changed));
  if (has(changed, "id", "whose", "changed", ...WHEN)) work.push(showOne());
  if (has(changed, "view", "ask", "which", "whose", "changed", ...WHEN) || (state.view === "map" && changed.has("id"))) work.push(found(changed));
  else if (changed.has("id")) select();
  await Promise.all(work);
  if (changed.has("id") && state.id && matchMedia("(max-width: 800px)").matches) at("one").focus();
});

function found(changed) {
  document.body.dataset.view = state.view;
  if (state.view === "map") return showWalk();
  if (state.view === "turns") return showTurns();
  return showList({ keep: changed.has("changed") });
}

// How far back it goes is asked when somebody else is shown, or something was changed.
async function spanned(changed) {
  const { first, last } = await ask("span", { tenant: state.whose });
  setSpan(first, last);
  if (changed.has("whose")) put(at("time"));
  showTime();
}

function showViews() {
  put(at("views"), Object.entries(VIEWS).map(([name, said]) =>
    button(said, () => go({ view: name }), { "aria-current": name === state.view ? "page" : null })));
}

async function showWhose() {
  const { tenants } = await ask("place");
  if (!tenants.length) {
    alone("Nobody's memories are here yet.", "They appear once something was remembered.");
    return false;
  }
  if (!state.whose) state.whose = tenants[0];
  if (tenants.length === 1 && tenants[0] === state.whose) {
    put(at("whose"), el("span", { class: "name" }, state.whose));
    return true;
  }
  const names = tenants.includes(state.whose) ? tenants : [state.whose, ...tenants];
  const options = (all) => all.map((name) => el("option", { value: name, selected: name === state.whose }, name));
  const select = el("select", { id: "tenant", onchange: () => go({ whose: select.value, id: "", ask: "", as_of: null, known_at: null }) }, options(names));
  const many = tenants.length < MOST ? null : el("input", {
    type: "search", placeholder: "Find a name", "aria-label": "Find a name",
    onchange: failing(async (event) => put(select, options([state.whose, ...(await ask(`place?like=${encodeURIComponent(event.target.value)}`)).tenants]))),
  });
  put(at("whose"), el("label", { for: "tenant" }, "of"), select, many);
  return true;
}

// The name is the address's, also where somebody went back.
function showName() {
  const choice = at("tenant");
  if (!choice) return put(at("whose"), el("span", { class: "name" }, state.whose));
  if (![...choice.options].some((each) => each.value === state.whose)) choice.append(el("option", { value: state.whose }, state.whose));
  choice.value = state.whose;
}

function alone(said, more) {
  put(document.body, el("main", { class: "alone" }, el("h1", {}, said), el("p", {}, more)));
}

function theme() {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const now = document.documentElement.dataset.theme ?? (dark ? "dark" : "light");
  document.documentElement.dataset.theme = now === "dark" ? "light" : "dark";
  localStorage.setItem("theme", document.documentElement.dataset.theme);
}

function keys(event) {
  const isTyping = event.target.closest?.("input:not([type=range]), textarea, select, dialog");
  if (event.key === "z" && (event.ctrlKey || event.metaKey) && !isTyping) {
    event.preventDefault();
    undoLast();
  } else if (event.key === "/" && !isTyping) {
    event.preventDefault();
    at("question").focus();
  } else if (event.key === "Escape" && event.target === at("question")) {
    go({ ask: "" });
    at("question").value = "";
  } else if (event.key === "Escape" && state.id && !isTyping) {
    const row = at("found").querySelector(`[data-id="${CSS.escape(state.id)}"]`);
    go({ id: "" });
    row?.focus();
  } else if (event.key === "ArrowDown" && event.target === at("question")) {
    event.preventDefault();
    focusFirst();
  }
}

function listen() {
  let waiting = 0;
  const ask_ = () => go({ ask: at("question").value.trim(), view: "memories" }, { quietly: true });
  at("question").addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(ask_, WAIT);
  });
  at("search").addEventListener("submit", (event) => {
    event.preventDefault();
    clearTimeout(waiting);
    ask_();
  });
  at("add").addEventListener("click", add);
  at("export").addEventListener("click", exported);
  at("theme").addEventListener("click", theme);
  addEventListener("keydown", keys);
  addEventListener("unhandledrejection", (event) => say(event.reason?.message ?? "That did not work."));
}

async function begin() {
  const kept = localStorage.getItem("theme");
  if (kept) document.documentElement.dataset.theme = kept;
  try {
    await enter();
    listen();
    if (!(await showWhose())) return;
  } catch (error) {
    const isClosed = error instanceof Refused && (error.status === 401 || error.status === 403);
    alone(isClosed ? "This link does not open anything any more." : "The window cannot be opened.",
      isClosed ? "A link opens one page, once. Where “feather-memory window” runs, the next link is told." : error.message);
    return;
  }
  address();
  onchange(show);
  await show(new Set(["whose", "view"]));
  document.documentElement.dataset.ready = "yes";
  performance.mark("shown");
}

begin();
