// From one example to the next: deciding, going on, going back.

import { announce, byId, make, plural, say } from "/static/dom.js";
import { inWords, order, tab, tell } from "./desk.js";
import { look } from "./live.js";
import { empty, put, settledOf, takeBack, unsent } from "./outbox.js";
import { canBeJudged, expected, onStage, prepare, seeWhatStands, show, untilThere } from "./stage.js";
import { fetchRow, filter, find, list, listed, markCurrent, rowAt } from "./strip.js";

const AHEAD = 4; // examples that are at hand before they are wanted

let rank = null; // of the example on the stage in the list; null while it is in no place there
let aim = null; // the rank that arrows lead to while its row is not here yet
let journey = 0; // what a person asked for last wins, whatever answer comes first
let stranded = null; // what was done before the server was away, if the next example is still due
const left = new Map(); // by index: {row, rank} of what was decided and not stored yet, to go back without the server

/** Set out for another example: nothing that was on its way arrives any more. */
function setOut() {
  [aim, stranded] = [null, null];
  return ++journey;
}

/** Tell the person something, in the line below the labels. */
export function tellPerson(line, wrong = false) {
  say(byId("said"), line);
  byId("said").classList.toggle("wrong", wrong);
}

/** Put a row on the stage. */
export function goTo(row, at, said = "") {
  setOut();
  rank = at;
  show(row, said);
  markCurrent(row.index, at);
  setTimeout(prepareNext, 0, journey);
}

async function prepareNext(mine) {
  if (rank === null) return;
  const rows = [];
  try {
    for (let at = rank + 1; at < Math.min(listed(), rank + 1 + AHEAD); at++) rows.push(await fetchRow(at));
    if (mine === journey) await prepare(rows.filter((row) => row && !settledOf(row)));
  } catch {
    // away: the banner tells
  }
}

/** Go to the suspect at a position of the review, wherever the list has it. */
export async function goToPosition(position, said = "") {
  const mine = setOut();
  const found = await untilThere(find(position));
  if (mine === journey && found.row) goTo(found.row, found.rank, said);
  return found.row !== null;
}

/** Go to an example, whatever is listed. */
export async function goToExample(index, said = "") {
  const mine = setOut();
  const row = await untilThere(tell(`suspects/${index}`));
  const found = await untilThere(find(row.position));
  if (mine === journey) goTo(row, found.row?.index === index ? found.rank : null, said);
}

/** One up or down the list, decided or not. */
export async function move(by) {
  const from = onStage();
  if (!from) return;
  const mine = ++journey;
  try {
    let at = aim ?? rank;
    if (at === null) {
      const found = await untilThere(find(from.position)); // it has left the list: go on from where it was
      at = found.rank - (by > 0 ? 1 : 0);
      if (mine !== journey) return;
    }
    if (at + by < 0 || at + by >= listed()) {
      tellPerson(by > 0 ? "This is the last one of the list." : "This is the first one of the list.");
      return;
    }
    aim = at + by;
    const row = rowAt(aim) ?? (await untilThere(fetchRow(aim)));
    if (mine === journey && row) goTo(row, aim);
  } catch {
    aim = null;
    tellPerson("The server is away: the list goes on when it is back.", true);
  }
}

/** Decide about the example on the stage, and go on. */
export async function decide(decision, label = null) {
  const row = onStage();
  if (!row) return;
  if (!canBeJudged()) {
    announce("Wait: the picture is not there yet");
    tellPerson("Wait: the picture is not there yet.");
    return;
  }
  const made = decision === "relabel" && label === row.given ? { decision: "keep", label: null } : { decision, label };
  if (!unsent()) left.clear();
  left.set(row.index, { row, rank });
  put(row.index, made.decision, made.label, expected());
  const said = `Example ${row.index} ${inWords(made)}`;
  tellPerson(`${said}.`);
  await goOn(said);
}

/** Go to the next example without a decision: further down, then from the top. */
export async function goOn(said) {
  const from = onStage();
  const mine = setOut();
  for (let at = (rank ?? listed()) + 1; at < listed(); at++) {
    const row = rowAt(at);
    if (!row) break; // what comes is not here
    if (isOpen(row)) return goTo(row, at, said);
  }
  try {
    for (const start of [from.position + 1, 0]) {
      const row = await untilThere(nextOpen(start, start === 0 ? from.position : Infinity));
      if (mine !== journey) return;
      if (row) return void (await goToPosition(row.position, said));
    }
    tellPerson(`${said}. ${filter().which === "skipped" ? "No skipped one is left" : "Nothing is left to decide"}${filter().given === undefined ? "" : " of these classes"}.`);
    announce(byId("said").textContent);
  } catch {
    if (mine !== journey) return;
    stranded = said;
    tellPerson(`${said}. The next one comes when the server is back.`, true);
  }
}

const isOpen = (row) => {
  const settled = settledOf(row);
  return filter().which === "skipped" ? settled?.decision === "skip" && !settled.waits : !settled;
};

async function nextOpen(position, before) {
  const values = { ...filter(), which: filter().which === "skipped" ? "skipped" : "open" };
  for (let at = position; ; ) {
    const { row } = await find(at, values);
    if (!row || row.position >= before) return null;
    if (isOpen(row)) return row;
    at = row.position + 1; // decided here, not stored yet
  }
}

/** The server is back: go where there was no way before. */
export function goOnIfStranded() {
  if (stranded !== null) goOn(stranded);
}

/** Take back what this tab did last. */
export async function undo() {
  const entry = takeBack();
  try {
    if (entry) {
      tellPerson(`Taken back before it was stored: example ${entry.index} is not ${inWords(entry)}.`);
      const was = left.get(entry.index);
      if (!was) return await goToExample(entry.index, "Undone");
      return goTo(was.row, rowAt(was.rank)?.index === entry.index ? was.rank : null, "Undone");
    }
    if (!(await untilThere(empty()))) throw new Error("away");
    const { undone } = await untilThere(order("undo", { by: tab }));
    if (!undone.length) {
      tellPerson("There is nothing to undo in this tab.");
      announce("There is nothing to undo in this tab");
      return;
    }
    await untilThere(look());
    tellPerson(undone.length === 1 ? `Undone: example ${undone[0]}.` : `Undone: ${plural(undone.length, "example")} at once.`);
    await goToExample(undone[0], "Undone");
  } catch (error) {
    tellPerson(error.status === undefined ? "No answer to the undo: what stands now shows when the server is back." : `Not undone: ${error.message}.`, true);
  }
}

/** List other suspects, and go to the first that is open. */
export async function listOthers(values) {
  const mine = setOut();
  if (!(await untilThere(list(values)))) return;
  rank = null;
  if (!listed()) return tellPerson("No suspect is listed here.");
  const first = await untilThere(nextOpen(0, Infinity));
  if (mine === journey) await goToPosition(first ? first.position : 0);
  else await listAgain(); // the person went on meanwhile
}

/** List the same again because some have changed, and stay. */
export async function listAgain() {
  const from = onStage();
  const found = await find(from.position);
  if (!(await list(filter(), found.rank))) return;
  if (onStage() !== from) return listAgain(); // the person went on meanwhile
  rank = found.row?.index === from.index ? found.rank : null;
  markCurrent(from.index, rank);
  setTimeout(prepareNext, 0, journey);
}

/** Show what could not be stored, until it is dismissed. */
export function notice(index, line) {
  const close = make("button", { type: "button", class: "quiet" }, "Dismiss");
  const visit = make("button", { type: "button" }, "Show it");
  const item = make("li", { role: "alert" }, make("p", {}, line), visit, close);
  close.addEventListener("click", () => item.remove());
  visit.addEventListener("click", () => {
    item.remove();
    goToExample(index).catch(() => {});
  });
  byId("notices").prepend(item);
  tellPerson(`Not stored: example ${index}.`, true);
  if (onStage()?.index === index) seeWhatStands();
}

