// What is listed, and one decision for all of a pair of classes.

import { announce, byId, make, mark, plural, say } from "/static/dom.js";
import { className, order, tab, tell } from "./desk.js";
import { look } from "./live.js";
import { empty } from "./outbox.js";
import { count } from "./progress.js";
import { goOn, listOthers, tellPerson } from "./flow.js";
import { filter } from "./strip.js";

const MOST_PAIRS = 200; // in the menu; the others are too rare to be worth one
const DONE = { keep: "kept", remove: "removed", skip: "skipped" };

let pairs = [];
let timer = null;

export function startFilters(known) {
  showPairs(known);
  const change = () => {
    const [given, predicted] = byId("pair").value.split(" ").map(Number);
    const pair = byId("pair").value ? { given, predicted } : {};
    byId("stage").focus(); // keys decide again
    listOthers({ which: byId("which").value, ...pair }).then(showListed, () => {
      tellPerson("The server is away: the list stays as it was.", true);
      showFilter();
    });
  };
  byId("which").addEventListener("change", change);
  byId("pair").addEventListener("change", change);
  byId("bulk-open").addEventListener("click", openBulk);
  byId("bulk-form").addEventListener("submit", (event) => {
    event.preventDefault();
    decideAll();
  });
  byId("bulk-choices").addEventListener("change", () => {
    byId("bulk-go").disabled = false;
  });
}

function showFilter() {
  const { which, given, predicted } = filter();
  byId("which").value = which;
  byId("pair").value = given === undefined ? "" : `${given} ${predicted}`;
}

const nameOf = (pair) => `${className(pair.given)} → ${className(pair.predicted)}`;

function showPairs(known) {
  pairs = known;
  showListed();
  if (document.activeElement === byId("pair")) return; // the menu may be open
  const chosen = byId("pair").value;
  const options = pairs.slice(0, MOST_PAIRS).map((pair) => make("option", { value: `${pair.given} ${pair.predicted}` }, `${nameOf(pair)}: ${count(pair.open)} of ${count(pair.total)} open`));
  if (pairs.length > MOST_PAIRS) options.push(make("option", { disabled: true }, `and ${count(pairs.length - MOST_PAIRS)} rarer pairs`));
  if (chosen && !options.some((option) => option.value === chosen)) {
    const [given, predicted] = chosen.split(" ").map(Number);
    options.push(make("option", { value: chosen }, nameOf({ given, predicted })));
  }
  byId("pair").replaceChildren(make("option", { value: "" }, "all classes"), ...options);
  byId("pair").value = chosen;
}

export function showListed() {
  const { given, predicted } = filter();
  const pair = pairs.find((known) => known.given === given && known.predicted === predicted);
  const button = byId("bulk-open");
  button.disabled = !pair?.open;
  say(button, pair?.open ? `Decide all ${count(pair.open)} open` : "Decide all of a pair");
  mark(button, "title", given === undefined ? "Choose a pair of classes first" : "");
}

/** The numbers of the pairs have changed. */
export function pairsChanged() {
  clearTimeout(timer);
  timer = setTimeout(() => refreshPairs().catch(() => {}), 300);
}

const refreshPairs = async () => showPairs((await tell("pairs")).pairs);

async function openBulk() {
  try {
    if (!(await empty())) throw new Error();
    await refreshPairs();
  } catch {
    tellPerson("The server is away: all of a pair can be decided when it is back.", true);
    return;
  }
  const { given, predicted } = filter();
  const pair = pairs.find((known) => known.given === given && known.predicted === predicted);
  if (!pair?.open) return;
  say(byId("bulk-title"), `Decide ${plural(pair.open, "suspect")} at once?`);
  say(byId("bulk-pair"), `All without a decision that are given ${className(given)} and predicted as ${className(predicted)}.`);
  const choices = [
    ["relabel", `relabel as ${className(predicted)}`],
    ["keep", `keep as ${className(given)}`],
    ["remove", "remove from the data"],
    ["skip", "skip for now"],
  ].filter(([decision]) => decision !== "relabel" || given !== predicted);
  const radios = choices.map(([decision, text]) => make("label", {}, make("input", { type: "radio", name: "decision", value: decision, required: true }), text));
  byId("bulk-choices").replaceChildren(byId("bulk-choices").querySelector("legend"), ...radios);
  say(byId("bulk-wrong"), "");
  say(byId("bulk-go"), `Decide ${count(pair.open)}`);
  byId("bulk-go").disabled = true;
  byId("bulk").showModal();
}

async function decideAll() {
  const { given, predicted } = filter();
  const decision = new FormData(byId("bulk-form")).get("decision");
  const label = decision === "relabel" ? predicted : null;
  byId("bulk-go").disabled = true;
  try {
    const { decided } = await order("decisions/pair", { given, predicted, decision, label, by: tab });
    byId("bulk").close();
    await look();
    const said = `${plural(decided, "example")} ${DONE[decision] ?? `relabelled as ${className(predicted)}`} at once`;
    tellPerson(`${said}; u takes it back.`);
    announce(said);
    await goOn(said);
  } catch (error) {
    say(byId("bulk-wrong"), error.status === undefined ? "No answer: what stands now shows when the server is back." : `${error.message}.`);
    byId("bulk-go").disabled = false;
  }
}
