// Elements. What comes from a memory is only ever text: nothing here reads markup.

const SVG = "http://www.w3.org/2000/svg";

function filled(node, given, children) {
  for (const [name, value] of Object.entries(given ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "style") for (const [key, said] of Object.entries(value)) node.style.setProperty(key, said);
    else if (name === "value") node.value = value;
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.flat(3).filter((each) => each !== null && each !== undefined && each !== false));
  return node;
}

export function el(tag, given, ...children) {
  return filled(document.createElement(tag), given, children);
}

export function svg(tag, given, ...children) {
  return filled(document.createElementNS(SVG, tag), given, children);
}

export const at = (id) => document.getElementById(id);

export function put(node, ...children) {
  node.replaceChildren(...children.flat(3).filter((each) => each !== null && each !== undefined && each !== false));
  return node;
}

export function button(said, onclick, given = {}) {
  return el("button", { type: "button", onclick, ...given }, said);
}
