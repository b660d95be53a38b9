// How much a memory mattered, and since when: a line of steps.

import { svg } from "/dom.js";
import { seconds, short } from "/words.js";

const WIDTH = 560;
const HEIGHT = 96;
const LEFT = 30;
const FOOT = 18;

export function importance(points, until) {
  const from = seconds(points[0][0]);
  const end = Math.max(seconds(until), from + 86_400);
  const x = (when) => LEFT + ((Math.max(from, seconds(when)) - from) / (end - from)) * (WIDTH - LEFT - 8);
  const y = (value) => 8 + (1 - value) * (HEIGHT - FOOT - 12);
  let path = `M${x(points[0][0])},${y(points[0][1])}`;
  for (const [when, value] of points.slice(1)) path += `H${x(when)}V${y(value)}`;
  path += `H${WIDTH - 8}`;
  const last = points.at(-1)[1];
  return svg("svg", {
    class: "chart", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img",
    "aria-label": `It mattered ${points[0][1].toFixed(2)} at first and matters ${last.toFixed(2)} now, of 1`,
  },
  [0, 0.5, 1].map((value) => [
    svg("line", { x1: LEFT, x2: WIDTH - 8, y1: y(value), y2: y(value), class: "grid" }),
    svg("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, String(value)),
  ]),
  svg("path", { d: `${path}V${y(0)}H${x(points[0][0])}Z`, class: "under" }),
  svg("path", { d: path, class: "line" }),
  points.slice(1).map(([when, value]) => svg("circle", { cx: x(when), cy: y(value), r: 3.5, class: "dot" })),
  svg("text", { x: LEFT, y: HEIGHT - 2 }, short(points[0][0])),
  svg("text", { x: WIDTH - 8, y: HEIGHT - 2, "text-anchor": "end" }, short(end)));
}
