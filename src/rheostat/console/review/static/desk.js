// What the server knows: the review, the decisions that stand, and the requests for both.

import { ask } from "/static/dom.js";

/** The review itself: key, title, classes, budget, count. */
export const review = {};
export const tab = tabName();

const standing = new Map(); // by index: the decision that the server told last, or null

const query = (values) => new URLSearchParams(Object.entries({ ...values, of: review.key }).filter(([, value]) => value !== undefined && value !== null));

export const tell = (path, values = {}) => ask(`/api/${path}?${query(values)}`);
export const pictureOf = (index) => `/api/pictures/${index}?${query({})}`;
export const className = (label) => (label === null ? "nothing yet" : review.classes[label]);

export const order = (path, values) =>
  ask(`/api/${path}?${query({})}`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(values) });

/** Remember what stands, and tell whether that is new. */
export function learn(index, settled) {
  const had = standing.get(index);
  if (settled && had && had.number >= settled.number) return false;
  standing.set(index, settled);
  return settled?.number !== had?.number;
}

/** The decision on a row that the server knows. */
export const stands = (row) => (standing.has(row.index) ? standing.get(row.index) : row.settled);

/** A decision in words. */
export function inWords({ decision, label }) {
  if (decision === "relabel") return `relabelled as ${className(label)}`;
  return { keep: "kept", remove: "removed", skip: "skipped" }[decision];
}

/** What tells this tab from others: it outlives a reload, but a copy of the tab gets a name of its own. */
function tabName() {
  const slot = "rheostat-tab";
  let name = `tab-${[...crypto.getRandomValues(new Uint32Array(2))].map((part) => part.toString(36)).join("")}`;
  try {
    name = sessionStorage.getItem(slot) ?? name;
    sessionStorage.removeItem(slot); // a copy takes what is there now
    addEventListener("pagehide", () => sessionStorage.setItem(slot, name));
    addEventListener("pageshow", () => sessionStorage.removeItem(slot));
  } catch {
    // no storage: after a reload this is another tab, which cannot undo what was decided before
  }
  return name;
}
