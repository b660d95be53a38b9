// The one way to the memory: JSON over this machine's own port, with the key of this page.

const KEPT = "feather-memory.key";

export class Refused extends Error {
  constructor(status, said) {
    super(said);
    this.status = status;
  }
}

// The token of the link is exchanged for a key, which stays in this tab. The link opens nothing then.
export async function enter() {
  const token = decodeURIComponent(location.hash.slice(1));
  if (token && !token.includes("=")) {
    history.replaceState(null, "", location.pathname);
    const answer = await sent("enter", {}, token);
    sessionStorage.setItem(KEPT, (await answer.json()).key);
  }
  if (!sessionStorage.getItem(KEPT)) throw new Refused(401, "no link");
}

export async function ask(verb, body = {}, signal = undefined) {
  return (await sent(verb, body, sessionStorage.getItem(KEPT), signal)).json();
}

export async function fetched(verb, body) {
  return (await sent(verb, body, sessionStorage.getItem(KEPT))).blob();
}

async function sent(verb, body, key, signal) {
  let answer;
  try {
    answer = await fetch(`/api/${verb}`, {
      method: "POST",
      headers: { "authorization": `Bearer ${key}`, "content-type": "application/json" },
      body: JSON.stringify(body),
      signal,
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(0, "The window was closed where it was opened. Nothing is lost.");
  }
  if (answer.ok) return answer;
  const said = await answer.json().then((told) => told.detail, () => null);
  throw new Refused(answer.status, typeof said === "string" ? said : "That did not work.");
}

// Of what is asked again and again, such as by a slider, the last answer is the one that counts.
export function latest(verb) {
  let under_way = null;
  return async (body) => {
    under_way?.abort();
    const mine = (under_way = new AbortController());
    try {
      const answer = await ask(verb, body, mine.signal);
      return mine === under_way ? answer : null;
    } catch (error) {
      if (error.name === "AbortError") return null;
      throw error;
    }
  };
}
