// The map: a memory in the middle, what is linked to it around, and what is linked to that beyond.

import { latest } from "/api.js";
import { at, button, el, put, svg } from "/dom.js";
import { body, go, state } from "/state.js";
import { counted, link, standing } from "/words.js";

// How it is laid out where there is room, and on a narrow screen.
const WIDE = { width: 1100, height: 780, rings: [[0, 0], [300, 205], [500, 355]], letters: 24 };
const NARROW = { width: 560, height: 800, rings: [[0, 0], [165, 205], [230, 370]], letters: 15 };
const CROWDED = 16;
const LONGEST = 22;
const walked = latest("walk");

export async function showWalk() {
  const seen = await walked(body({ id: state.id || null }));
  if (seen === null || state.view !== "map") return;
  if (seen.centre === null) {
    put(at("found"), el("div", { class: "heading" }, el("h2", {}, "Map")), el("p", { class: "empty" }, "Nothing is linked to anything yet."));
    return;
  }
  const sheet = matchMedia("(max-width: 800px)").matches ? NARROW : WIDE;
  const places = laidOut(seen, sheet);
  const had = at("found").contains(document.activeElement);
  put(at("found"),
    el("div", { class: "heading" }, el("h2", {}, "Map"),
      el("p", { class: "note" }, seen.nodes.length > 1
        ? `${counted(seen.nodes.length, "memory", "memories")}, ${counted(seen.edges.length, "link")}. Choose one to walk there.`
        : ["It is linked to nothing. ", button("Where there are links", () => go({ id: "" }), { class: "inline" })])),
    el("div", { class: "frame walk" }, drawn(seen, places, sheet), spoken(seen)));
  if (had) at("found").querySelector("g.node.centre")?.focus();
}

// Around the middle in one ring, those further out each near the one they were reached by.
function laidOut({ centre, nodes, edges }, { width, height, rings }) {
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
    const [across, down] = rings[Math.min(hop.get(id), rings.length - 1)];
    places.set(id, [width / 2 + across * Math.cos(angle), height / 2 + down * Math.sin(angle)]);
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

function lines(text, letters) {
  const said = [""];
  for (const word of text.split(/\s+/)) {
    const cut = word.length > letters ? `${word.slice(0, letters - 1)}…` : word;
    if ((said.at(-1) + cut).length > letters && said.at(-1)) said.push("");
    said[said.length - 1] = `${said.at(-1)} ${cut}`.trim();
  }
  return said.length > 3 ? [...said.slice(0, 2), `${said[2]}…`] : said;
}

function drawn({ centre, nodes, edges }, places, sheet) {
  const { width, height, rings } = sheet;
  return svg("svg", {
    class: nodes.length > CROWDED ? "map crowded" : "map", viewBox: `-40 -40 ${width + 80} ${height + 80}`,
    role: "group", "aria-label": "Map of memories", onkeydown: turn,
  },
    rings.slice(1).map(([rx, ry]) => svg("ellipse", { cx: width / 2, cy: height / 2, rx, ry, class: "ring" })),
    edges.map((edge) => line(edge, places, centre, nodes.length)),
    nodes.toSorted((a, b) => b.hop - a.hop).map((node) => mark(node, places.get(node.memory.id), node.memory.id === centre, sheet, nodes.length > CROWDED)));
}

function line({ source, target, type, weight }, places, centre, count) {
  const [[x1, y1], [x2, y2]] = [places.get(source), places.get(target)];
  const out = source === centre ? 0.58 : 0.42;  // nearer the other end: below the middle stands its text
  const isNear = count <= CROWDED && (source === centre || target === centre);
  return svg("g", { class: `edge ${type === "supersedes" ? "replaces" : ""}` },
    svg("line", { x1, y1, x2, y2, "stroke-width": 1 + 2.5 * weight }),
    isNear ? svg("text", { x: x1 + (x2 - x1) * out, y: y1 + (y2 - y1) * out + 5, "text-anchor": "middle" }, link(type, source === centre)) : null);
}

function mark({ memory, hop, unseen }, [x, y], isCentre, sheet, isCrowded) {
  const radius = isCentre ? 15 : 7 + 6 * memory.importance;
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
  unseen > 0 && !isCrowded ? svg("text", { x: x + radius + 4, y: y + 5, class: "more" }, `+${unseen}`) : null,
  isCrowded && hop === 1 ? along(memory.text, x, y, radius, sheet) : below(memory.text, x, y, radius, isCentre, sheet));
}

// Under what is in the lower half, and over what is in the upper, so that no line runs through it.
function below(text, x, y, radius, isCentre, { height, letters }) {
  const said = lines(text, letters);
  const step = isCentre ? 29 : 23;
  const isAbove = y < height / 2 - 1 && !isCentre;
  const first = isAbove ? y - radius - 10 - (said.length - 1) * step : y + radius + step + 2;
  return said.map((each, nth) => svg("text", { x, y: first + nth * step, "text-anchor": "middle", class: "said" }, each));
}

// Where many stand around the middle, each text runs outward from its own.
function along(text, x, y, radius, { width, height }) {
  const turned = (Math.atan2(y - height / 2, x - width / 2) * 180) / Math.PI;
  const isLeft = Math.abs(turned) > 90;
  return svg("text", {
    class: "said", transform: `translate(${x},${y}) rotate(${isLeft ? turned + 180 : turned})`,
    x: (radius + 7) * (isLeft ? -1 : 1), y: 5, "text-anchor": isLeft ? "end" : "start",
  }, text.length > LONGEST ? `${text.slice(0, LONGEST - 1)}…` : text);
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
