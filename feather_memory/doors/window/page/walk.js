// The map: a memory in the middle, what is linked to it around, and what is linked to that beyond.

import { latest } from "/api.js";
import { at, button, el, put, svg } from "/dom.js";
import { body, go, state } from "/state.js";
import { counted, link, standing } from "/words.js";

const [WIDTH, HEIGHT] = [1000, 740];
const RINGS = [[0, 0], [235, 165], [420, 305]];
const WIDEST = 24;
const CROWDED = 16;
const walked = latest("walk");

export async function showWalk() {
  const seen = await walked(body({ id: state.id || null }));
  if (seen === null || state.view !== "map") return;
  if (seen.centre === null) {
    put(at("found"), el("div", { class: "heading" }, el("h2", {}, "Map")), el("p", { class: "empty" }, "Nothing is linked to anything yet."));
    return;
  }
  const places = laidOut(seen);
  const had = at("found").contains(document.activeElement);
  put(at("found"),
    el("div", { class: "heading" }, el("h2", {}, "Map"),
      el("p", { class: "note" }, `${counted(seen.nodes.length, "memory", "memories")}, ${counted(seen.edges.length, "link")}. Choose one to walk there.`)),
    el("div", { class: "frame walk" }, drawn(seen, places), spoken(seen)));
  if (had) at("found").querySelector("g.node.centre")?.focus();
}

// Around the middle in one ring, those further out each near the one they were reached by.
function laidOut({ centre, nodes, edges }) {
  const beside = new Map(nodes.map(({ memory }) => [memory.id, []]));
  for (const { source, target } of edges) {
    beside.get(source).push(target);
    beside.get(target).push(source);
  }
  const hop = new Map(nodes.map((node) => [node.memory.id, node.hop]));
  const children = new Map(nodes.map(({ memory }) => [memory.id, []]));
  for (const { memory, hop: far } of nodes) {
    if (!far) continue;
    const parent = beside.get(memory.id).find((id) => hop.get(id) === far - 1);
    children.get(parent ?? centre).push(memory.id);
  }
  const leaves = (id) => Math.max(1, children.get(id).reduce((sum, each) => sum + leaves(each), 0));
  const places = new Map();
  const place = (id, from, until) => {
    const angle = (from + until) / 2;
    const [across, down] = RINGS[Math.min(hop.get(id), RINGS.length - 1)];
    places.set(id, [WIDTH / 2 + across * Math.cos(angle), HEIGHT / 2 + down * Math.sin(angle)]);
    let begun = from;
    for (const child of children.get(id)) {
      const part = ((until - from) * leaves(child)) / leaves(id);
      place(child, begun, begun + part);
      begun += part;
    }
  };
  place(centre, -Math.PI / 2, (3 * Math.PI) / 2);
  return places;
}

function lines(text) {
  const said = [""];
  for (const word of text.split(/\s+/)) {
    const cut = word.length > WIDEST ? `${word.slice(0, WIDEST - 1)}…` : word;
    if ((said.at(-1) + cut).length > WIDEST && said.at(-1)) said.push("");
    said[said.length - 1] = `${said.at(-1)} ${cut}`.trim();
  }
  return said.length > 3 ? [...said.slice(0, 2), `${said[2]}…`] : said;
}

function drawn({ centre, nodes, edges }, places) {
  return svg("svg", {
    class: nodes.length > CROWDED ? "map crowded" : "map", viewBox: `-90 -30 ${WIDTH + 180} ${HEIGHT + 60}`,
    role: "group", "aria-label": "Map of memories", onkeydown: turn,
  },
    RINGS.slice(1).map(([rx, ry]) => svg("ellipse", { cx: WIDTH / 2, cy: HEIGHT / 2, rx, ry, class: "ring" })),
    edges.map((edge) => line(edge, places, centre, nodes.length)),
    nodes.toSorted((a, b) => b.hop - a.hop).map((node) => mark(node, places.get(node.memory.id), node.memory.id === centre)));
}

function line({ source, target, type, weight }, places, centre, count) {
  const [[x1, y1], [x2, y2]] = [places.get(source), places.get(target)];
  const isNear = count <= CROWDED && (source === centre || target === centre);
  return svg("g", { class: `edge ${type === "supersedes" ? "replaces" : ""}` },
    svg("line", { x1, y1, x2, y2, "stroke-width": 1 + 2.5 * weight }),
    isNear ? svg("text", { x: (x1 + x2) / 2, y: (y1 + y2) / 2 + 5, "text-anchor": "middle" }, link(type, source === centre)) : null);
}

function mark({ memory, hop, unseen }, [x, y], isCentre) {
  const radius = isCentre ? 15 : 7 + 6 * memory.importance;
  const said = lines(memory.text);
  const step = isCentre ? 29 : 23;
  const above = y < HEIGHT / 2 - 1 && !isCentre;
  const first = above ? y - radius - 10 - (said.length - 1) * step : y + radius + step + 2;
  return svg("g", {
    class: `node hop-${Math.min(hop, 2)} ${memory.holds ? "" : "gone"} ${isCentre ? "centre" : ""}`,
    tabindex: "0", role: "button", "data-id": memory.id,
    "aria-label": `${memory.text}${memory.holds ? "" : `, ${standing(memory)}`}${unseen > 0 ? `, and ${counted(unseen, "more link")}` : ""}`,
    onclick: () => go({ id: memory.id }),
    onkeydown: (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      go({ id: memory.id });
    },
  },
  svg("circle", { cx: x, cy: y, r: radius }),
  unseen > 0 ? svg("text", { x: x + radius + 4, y: y + 5, class: "more" }, `+${unseen}`) : null,
  said.map((each, nth) => svg("text", { x, y: first + nth * step, "text-anchor": "middle", class: "said" }, each)));
}

// Arrow keys go round the memories, in the order in which they are reached.
function turn(event) {
  const steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
  if (!(event.key in steps)) return;
  event.preventDefault();
  const nodes = [...event.currentTarget.querySelectorAll("g.node")].reverse();
  const here = nodes.indexOf(document.activeElement);
  nodes[(here + steps[event.key] + nodes.length) % nodes.length].focus();
}

// The same as sentences, for whoever does not see the drawing.
function spoken({ nodes, edges }) {
  const said = new Map(nodes.map(({ memory }) => [memory.id, memory.text]));
  return el("details", { class: "rest" }, el("summary", {}, "The same as a list"),
    el("ul", { class: "links" }, edges.map((edge) => el("li", {},
      button(said.get(edge.source), () => go({ id: edge.source }), { class: "inline", dir: "auto" }),
      el("span", { class: "kind" }, ` ${link(edge.type, true)} `),
      button(said.get(edge.target), () => go({ id: edge.target }), { class: "inline", dir: "auto" })))));
}
