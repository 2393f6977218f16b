// Elements and words. Text is only ever set as text: names come from packages, and nobody vouches for them.

const SVG = "http://www.w3.org/2000/svg";

export const byId = (id) => document.getElementById(id);

/** Make an element; attributes that are null, undefined or false are left out. */
export function make(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** The same for an element of an SVG. */
export function draw(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Set text, and touch the page only if it is another one. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Set an attribute, and touch the page only if it is another one. */
export function mark(element, name, value) {
  if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}

/** Fill a list of terms and values; the elements are made once, so that nothing jumps. */
export function facts(list, pairs) {
  while (list.children.length > pairs.length) list.lastElementChild.remove();
  pairs.forEach(([term, value], at) => {
    if (!list.children[at]) list.append(make("div", {}, make("dt"), make("dd")));
    say(list.children[at].children[0], term);
    say(list.children[at].children[1], value);
  });
}

/** A number with `digits` after the point; a dash where it is not known. */
export function number(value, digits = 0) {
  return typeof value === "number" && Number.isFinite(value) ? value.toFixed(digits) : "–";
}

/** A rate: as few digits as say it. */
export const rate = (value) => (typeof value === "number" ? String(Number(value.toFixed(1))) : "–");

/** A duration in words: 4 s, 3 min, 2 h 5 min. */
export function duration(seconds) {
  if (typeof seconds !== "number" || !Number.isFinite(seconds)) return "–";
  if (seconds < 120) return `${Math.max(0, Math.round(seconds))} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 120) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} days`;
}

export const plural = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;

/** Tell those who listen to the page instead of looking at it. */
export function announce(line) {
  byId("announcer").textContent = line;
}

/** Ask the node; an error answers with the one line that it gave. */
export async function ask(path, options = {}) {
  const answer = await fetch(path, { ...options, signal: AbortSignal.timeout(30000) });
  const body = await answer.json().catch(() => ({ error: `the server answered ${answer.status}` }));
  if (!answer.ok) throw Object.assign(new Error(body.error ?? `the server answered ${answer.status}`), { status: answer.status, body });
  return body;
}

/** Ask the node to change something. */
export const change = (method, path, values) =>
  ask(path, { method, headers: { "content-type": "application/json" }, body: values && JSON.stringify(values) });
