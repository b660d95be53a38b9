// Words for people: dates, who said it, why it is not told, what a link means.

const LANGUAGE = "en-GB";
const DAY = new Intl.DateTimeFormat(LANGUAGE, { day: "numeric", month: "long", year: "numeric" });
const SHORT = new Intl.DateTimeFormat(LANGUAGE, { day: "numeric", month: "short", year: "numeric" });
const TIME = new Intl.DateTimeFormat(LANGUAGE, { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" });
const COUNT = new Intl.NumberFormat(LANGUAGE);

const date = (when) => (typeof when === "number" ? new Date(when * 1000) : new Date(when));
export const day = (when) => DAY.format(date(when));
export const short = (when) => SHORT.format(date(when));
export const time = (when) => TIME.format(date(when));
export const seconds = (when) => date(when).getTime() / 1000;
export const number = (value) => COUNT.format(value);
export const counted = (count, one, many = `${one}s`) => `${number(count)} ${count === 1 ? one : many}`;
export const share = (value) => value.toFixed(3);

const ORIGINS = {
  user: "said by the person", document: "from a document", import: "imported",
  tool: "from a tool", assistant: "noted by an assistant",
};
export const origin = (memory) => ORIGINS[memory.origin] ?? memory.origin;

// What the memory is at the moment that is looked at.
export function standing(memory, gate = null) {
  if (memory.holds) return "True";
  if (gate === "not_yet_recorded") return "Not known then";
  if (gate === "not_yet_valid") return "Not true yet";
  if (memory.superseded_by.length) return `Replaced${memory.until ? ` on ${short(memory.until)}` : ""}`;
  if (gate === "expired" && memory.expires) return `Expired on ${short(memory.expires)}`;
  if (memory.until && memory.until <= memory.since) return "Only a suggestion";
  if (memory.until) return `True until ${short(memory.until)}`;
  return "Not true then";
}

const GATES = {
  unknown: "There is no such memory.",
  not_yet_recorded: "It was not known yet at that time.",
  superseded: "Something newer has taken its place, and only what is true is told.",
  ended: "It was true for a time, and that time is over.",
  expired: "It was to be told until a certain day, and that day has passed.",
  not_yet_valid: "It only becomes true later.",
  filtered: "It is a question or a mere acknowledgement: an assistant is told facts.",
  irrelevant: "Nothing of it fits that question well enough.",
  repeated: "Another memory that says the same is told instead.",
};

export function why(verdict) {
  if (verdict.is_returned) return `It is told, in place ${verdict.rank}.`;
  if (verdict.gate) return GATES[verdict.gate] ?? verdict.reason;
  return `It would be in place ${number(verdict.rank)}; ten are told, and the tenth fits better by ${share(-verdict.margin)}.`;
}

const LINKS = {
  supersedes: ["replaces", "is replaced by"], supports: ["supports", "is supported by"],
  contradicts: ["contradicts", "is contradicted by"], refines: ["refines", "is refined by"],
  leads_to: ["leads to", "follows from"], caused_by: ["is caused by", "causes"],
  derived_from: ["comes from", "led to"], part_of: ["is part of", "has the part"],
  references: ["refers to", "is referred to by"], related_to: ["goes with", "goes with"],
  same_as: ["is the same as", "is the same as"], next: ["is followed by", "comes after"],
};
export const link = (type, isOutgoing) => (LINKS[type] ?? [type, `${type} (from there)`])[isOutgoing ? 0 : 1];

const SIGNALS = {
  saved: "saved on purpose", liked: "found useful", disliked: "found of no use", copied: "copied",
  corrected: "corrected", repeated: "said again", used: "used",
};
export const signal = (kind) => SIGNALS[kind] ?? kind;

export const PARTS = {
  similarity: ["meaning", "how near its meaning is to the question's"],
  lexical: ["words", "the words it shares with the question, rare ones counting more"],
  origin: ["who said it", "an assistant's or a tool's word counts less"],
  neighbours: ["said nearby", "what was said before and after it"],
  speaker: ["who is asked about", "the question names whoever said it"],
  manner: ["how it is said", "questions count less, answers more"],
  session: ["same conversation", "the best of its conversation"],
  liked: ["found useful before", "for a question like this one"],
  period: ["the time asked about", "the question names a time that it holds in"],
  recency: ["how recent it is", "what is older weighs a little less"],
  importance: ["how much it matters", "what it loses for not mattering more"],
  newer: ["the newer of two", "it says anew what another one says"],
  layer: ["whose it is", "one's own memory counts before a team's"],
  inherited: ["through a link", "it was reached from another memory"],
};
