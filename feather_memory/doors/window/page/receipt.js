// The receipt of a score: what each part adds. The parts sum to the score, exactly.

import { el } from "/dom.js";
import { PARTS, share } from "/words.js";

const HUES = ["similarity", "lexical", "recency"];
const hue = (part) => (HUES.includes(part) ? part : "other");

export function bar(hit, best) {
  const adding = Object.entries(hit.parts).filter(([, value]) => value > 0.0005);
  const sum = adding.reduce((total, [, value]) => total + value, 0) || 1;
  const width = best > 0 ? Math.max(0.02, hit.score / best) : 0;
  return el("span", { class: "bar", "aria-hidden": "true" },
    el("span", { class: "fill", style: { width: `${width * 100}%` } },
      adding.map(([part, value]) => el("span", { class: `part ${hue(part)}`, style: { width: `${(value / sum) * 100}%` } }))));
}

export function receipt(hit, id) {
  const parts = Object.entries(hit.parts).filter(([, value]) => Math.abs(value) > 0.0005);
  const widest = Math.max(...parts.map(([, value]) => Math.abs(value)), 0.001);
  return el("div", { class: "receipt", id },
    el("table", {},
      el("caption", { class: "hidden" }, "What its score is made of"),
      el("tbody", {}, parts.map(([part, value]) => {
        const [name, meaning] = PARTS[part] ?? [part, ""];
        return el("tr", {},
          el("th", { scope: "row" }, name, el("small", {}, meaning)),
          el("td", { class: "drawn" }, el("span", {
            class: `part ${value < 0 ? "less" : hue(part)}`,
            style: { width: `${(Math.abs(value) / widest) * 100}%` },
          })),
          el("td", { class: "sum" }, value < 0 ? `−${share(-value)}` : `+${share(value)}`));
      })),
      el("tfoot", {}, el("tr", {}, el("th", { scope: "row" }, "score"), el("td", {}), el("td", { class: "sum" }, share(hit.score))))),
    el("p", {}, `On a scale that is the same for every question, it fits by ${share(hit.relevance)} of 1.`,
      hit.copies > 1 ? ` ${hit.copies} memories say the same; this one stands for them.` : ""));
}
