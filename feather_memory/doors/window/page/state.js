// What the page shows, kept in its address: so back, forward and reload do what they should.

const USUAL = { whose: "", view: "memories", which: "current", ask: "", id: "", as_of: null, known_at: null };
const FIELDS = Object.keys(USUAL);
const TIMES = new Set(["as_of", "known_at"]);

const listeners = [];
export const state = read();

function read() {
  const said = new URLSearchParams(location.hash.slice(1));
  const found = { ...USUAL };
  for (const name of FIELDS) {
    if (!said.has(name)) continue;
    const number = Number(said.get(name));
    if (!TIMES.has(name)) found[name] = said.get(name);
    else if (Number.isFinite(number)) found[name] = number;
  }
  return found;
}

function written() {
  const said = new URLSearchParams();
  for (const name of FIELDS) {
    if (state[name] !== USUAL[name]) said.set(name, state[name]);
  }
  return `#${said}`;
}

// Change what is shown. `quietly` replaces the entry in the tab's history, as while a slider moves.
// `changed` says that what is remembered is another than before, too.
export function go(change, { quietly = false, changed = false } = {}) {
  const before = { ...state };
  Object.assign(state, change);
  const others = new Set(FIELDS.filter((name) => before[name] !== state[name]));
  if (others.size) history[quietly ? "replaceState" : "pushState"](null, "", written());
  if (changed) others.add("changed");
  if (others.size) tell(others);
}

export function onchange(listener) {
  listeners.push(listener);
}

function tell(changed) {
  for (const listener of listeners) listener(changed);
}

export function address() {
  history.replaceState(null, "", written());
}

export const body = (more = {}) => ({
  tenant: state.whose, as_of: state.as_of, known_at: state.known_at, ...more,
});

export const isPast = () => state.as_of !== null || state.known_at !== null;

addEventListener("popstate", () => {
  const before = { ...state };
  Object.assign(state, read());
  tell(new Set(FIELDS.filter((name) => before[name] !== state[name])));
});
