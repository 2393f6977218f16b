// What other tabs decide, about once per second; and what the page says while the server is away.

import { byId, plural, say } from "/static/dom.js";
import { learn, tell } from "./desk.js";
import { send, unsent, whyUnsent } from "./outbox.js";

const PERIOD_MS = 1000;
const LONGEST_WAIT_MS = 4000;

let number = 0;
let lost = null;
let waitMs = PERIOD_MS;
let timer = null;
let asking = null;
let show = () => {};

/** Follow the changes after `since`; `changed(progress, indices)` is called with each. */
export function follow(since, changed) {
  number = since;
  show = changed;
  timer = setTimeout(ask, PERIOD_MS);
  document.addEventListener("visibilitychange", () => document.hidden || look());
}

/** Ask now. */
export async function look() {
  await asking;
  await ask();
}

export const isAway = () => lost !== null;

function ask() {
  clearTimeout(timer);
  asking ??= once().finally(() => {
    asking = null;
    timer = setTimeout(ask, lost ? waitMs : PERIOD_MS);
  });
  return asking;
}

async function once() {
  try {
    const { changes, progress } = await tell("changes", { since: number });
    const wasLost = lost !== null;
    lost = null;
    waitMs = PERIOD_MS;
    const indices = changes.filter((change) => learn(change.index, change.settled)).map((change) => change.index);
    const isNew = progress.number !== number;
    number = progress.number;
    if (wasLost) send();
    if (isNew || wasLost) show(progress, indices, wasLost);
  } catch (error) {
    lost = error;
    waitMs = Math.min(LONGEST_WAIT_MS, 1.3 * waitMs);
  }
  showBanner();
}

/** Say that the server is away, or does not take what was decided. */
export function showBanner() {
  const error = lost ?? (unsent() ? whyUnsent() : null);
  const kept = unsent() ? ` ${plural(unsent(), "decision")} ${unsent() === 1 ? "is" : "are"} kept in this page and stored as soon as possible.` : "";
  byId("banner").hidden = error === null;
  if (error !== null) say(byId("banner"), why(error) + kept);
}

function why(error) {
  if (error.status === 401) return "The server asks for its token: open the address that it showed when it started.";
  if (error.status === 410) return "Another review is served here now: reload the page to see it.";
  if (error.status !== undefined) return `The server is there, but says: ${error.message}.`;
  return "Connection to the server lost; trying again.";
}
