// Decisions on their way: one after the other, kept here and in the browser's storage until the server has them.

import { inWords, learn, order, review, stands, tab } from "./desk.js";

const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 5000;
// the server is there and will never take this one; with any other error it may take it later
const HOPELESS = new Set([400, 404, 405, 413, 415, 422]);

const waiting = [];
let sending = false;
let resting = null; // the timer until the next try
let waitMs = FIRST_WAIT_MS;
let trouble = null;
let told = { changed() {}, stored() {}, refused() {} };

const prefix = () => `rheostat-review/${review.key}/`;

/**
 * Begin with what earlier pages could not send. `changed()` is called after every change, `stored(index)` for what was
 * stored, `refused(index, line)` for what was not.
 */
export function startOutbox(callbacks) {
  told = callbacks;
  try {
    for (const slot of Object.keys(localStorage).filter((slot) => slot.startsWith(prefix()))) {
      waiting.push(...JSON.parse(localStorage.getItem(slot)));
      localStorage.removeItem(slot);
    }
  } catch {
    // no storage, or not ours
  }
  save();
  addEventListener("beforeunload", (event) => {
    if (waiting.length) event.preventDefault();
  });
  send();
}

function save() {
  try {
    if (waiting.length) localStorage.setItem(prefix() + tab, JSON.stringify(waiting));
    else localStorage.removeItem(prefix() + tab);
  } catch {
    // this page still has them, and does not close without asking
  }
}

export const unsent = () => waiting.length;
export const whyUnsent = () => trouble;

const latest = (index) => waiting.findLast((entry) => entry.index === index);

/** The decision on a row: what waits to be stored, or what the server knows. */
export function settledOf(row) {
  const entry = latest(row.index);
  return entry ? { ...entry, waits: true } : stands(row);
}

/** Decide; `expected` is the number of the decision that was seen, null if there was none. */
export function put(index, decision, label, expected) {
  const before = latest(index); // its number comes with its answer
  waiting.push({ index, decision, label, by: tab, expected: before ? before.expected : expected });
  save();
  told.changed();
  send();
}

/** Take back the newest decision that was not sent yet; null if there is none. */
export function takeBack() {
  if (waiting.length <= (sending ? 1 : 0)) return null;
  const entry = waiting.pop();
  save();
  told.changed();
  return entry;
}

/** Wait until nothing is on its way; false if the server does not take it. */
export async function empty() {
  await send();
  while (sending) await new Promise((resolve) => setTimeout(resolve, 20));
  return waiting.length === 0;
}

/** Send what waits, until all of it is stored or the server does not answer. */
export async function send() {
  if (sending) return;
  clearTimeout(resting);
  sending = true;
  try {
    while (waiting.length) {
      await sendFirst();
      waitMs = FIRST_WAIT_MS;
      trouble = null;
    }
    trouble = null;
  } catch (error) {
    trouble = error;
    resting = setTimeout(send, waitMs);
    waitMs = Math.min(LONGEST_WAIT_MS, 1.5 * waitMs);
  } finally {
    sending = false;
    told.changed();
  }
}

async function sendFirst() {
  const entry = waiting[0];
  let settled; // what stands after it; undefined if the server did not tell
  let refusal = null;
  try {
    settled = (await order("decisions", entry)).settled;
  } catch (error) {
    if (error.status !== 409 && !HOPELESS.has(error.status)) throw error;
    settled = error.body.settled;
    if (error.status !== 409) refusal = `Example ${entry.index} was not ${inWords(entry)}: ${error.message}.`;
    else if (!meansTheSame(settled, entry)) refusal = conflict(settled, entry);
  }
  waiting.shift();
  if (settled !== undefined) learn(entry.index, settled);
  const later = waiting.find((other) => other.index === entry.index);
  if (later && refusal === null) later.expected = settled.number;
  save();
  if (refusal === null) told.stored(entry.index);
  else told.refused(entry.index, refusal);
  told.changed();
}

/** Both tabs decided alike, or the answer to this tab's own decision was lost and it was sent again. */
const meansTheSame = (settled, entry) => settled?.decision === entry.decision && (settled.label ?? null) === (entry.label ?? null);

function conflict(settled, entry) {
  const other = settled ? `${inWords(settled)} in another tab` : "opened again in another tab";
  return `Example ${entry.index} was ${other} meanwhile, so it was not ${inWords(entry)} here.`;
}
