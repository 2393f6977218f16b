// How much is done of what was asked for, and what it says about the labels.

import { byId, facts, make, mark, say } from "/static/dom.js";
import { review } from "./desk.js";
import { unsent, whyUnsent } from "./outbox.js";

const PARTS = ["kept", "relabelled", "removed", "skipped"];
export const count = (value) => value.toLocaleString("en");
export const percent = (share) => (share === null ? "–" : `${(100 * share).toFixed(share < 0.0995 || share > 0.9905 ? 1 : 0)} %`);

const estimate = (share, interval) => (share === null ? "–" : `${percent(share)}${interval ? ` (${range(interval)})` : ""}`);
const range = ([low, high]) => `${percent(low).replace(" %", "")} to ${percent(high).replace(" %", "")}`;

export function showProgress(progress) {
  const whole = Math.max(review.budget, progress.reviewed + progress.skipped, 1);
  for (const part of PARTS) byId("done-bar").querySelector(`[data-of="${part}"]`).style.width = `${(100 * progress[part]) / whole}%`;
  const left = review.budget - progress.reviewed;
  const rest = left > 0 ? `${count(left)} left` : left === 0 ? "the budget is spent" : `the budget is spent, and ${count(-left)} more`;
  say(byId("done-count"), `${count(progress.reviewed)} of ${count(review.budget)} reviewed`);
  say(byId("done-rest"), rest);
  const parts = PARTS.map((part) => `${count(progress[part])} ${part}`);
  mark(byId("done-bar"), "aria-label", `${parts.join(", ")}; ${rest}`);
  const list = byId("done-parts");
  if (!list.children.length) list.append(...PARTS.map((part) => make("li", { "data-of": part }, make("i"), make("span"))));
  parts.forEach((text, at) => say(list.children[at].lastChild, text));
  facts(byId("estimates"), [
    ["wrong in all data (95 %)", estimate(progress.noise_rate, progress.noise_interval)],
    ["wrong in suspects (95 %)", estimate(progress.precision, progress.precision_interval)],
  ]);
}

export function showStored() {
  const waiting = unsent();
  const stuck = waiting > 0 && whyUnsent() !== null;
  say(byId("stored"), waiting ? `${count(waiting)} ${stuck ? "waiting" : "being stored"}` : "all stored");
  mark(byId("stored"), "data-state", stuck ? "waiting" : "stored");
}
