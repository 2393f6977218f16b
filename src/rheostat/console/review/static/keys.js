// One key for everything; the buttons do the same.

import { byId, make, say } from "/static/dom.js";
import { review } from "./desk.js";
import { decide, move, tellPerson, undo } from "./flow.js";
import { onStage } from "./stage.js";

const MOST_DIGITS = 10;
const MOST_OPTIONS = 60; // in the chooser
const HELP = [
  ["k", "keep: the given label is right"],
  ["p", "relabel as what is predicted"],
  ["x", "remove the example from the data"],
  ["s", "skip it for now"],
  ["u", "undo what this tab did last"],
  ["← →", "previous, next (also ↑ ↓)"],
  ["/", "relabel: type the first letters of the class"],
  ["Esc", "dismiss a notice"],
  ["?", "this help"],
];

const few = () => review.classes.length <= MOST_DIGITS;
const digitOf = (label) => String((label + 1) % 10);

const ACTIONS = {
  k: () => decide("keep"),
  x: () => decide("remove"),
  s: () => decide("skip"),
  p: relabelAsPredicted,
  u: undo,
  "/": openChooser,
  "?": openHelp,
  arrowright: () => move(1),
  arrowdown: () => move(1),
  arrowleft: () => move(-1),
  arrowup: () => move(-1),
  escape: () => byId("notices").firstElementChild?.remove(),
};

export function startKeys() {
  showClasses();
  const digits = few() ? [[review.classes.length > 1 ? `1 to ${digitOf(review.classes.length - 1)}` : "1", "relabel as the class with this digit"]] : [];
  byId("keys").append(...[...digits, ...HELP].map(([key, text]) => make("div", {}, make("dt", {}, ...key.split(" ").map((one) => (one === "to" ? " to " : make("kbd", {}, one)))), make("dd", {}, text))));
  for (const button of document.querySelectorAll("#actions [data-decision]")) button.addEventListener("click", () => decide(button.dataset.decision));
  byId("undo").addEventListener("click", undo);
  byId("back").addEventListener("click", () => move(-1));
  byId("forth").addEventListener("click", () => move(1));
  byId("help-open").addEventListener("click", openHelp);
  for (const dialog of document.querySelectorAll("dialog")) {
    dialog.querySelector(".cancel").addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => byId("stage").focus({ preventScroll: true }));
  }
  startChooser();
  document.addEventListener("keydown", pressed);
}

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (document.querySelector("dialog[open]") || event.target.closest("input, select, textarea")) return;
  const key = keyOf(event);
  const isDigit = /^[0-9]$/.test(key);
  const act = isDigit ? () => relabelByDigit(key) : ACTIONS[key];
  if (!act) return;
  event.preventDefault();
  if (event.repeat && !key.startsWith("arrow")) return; // a key that is held decides once
  act();
}

/** The key in small letters; on a keyboard of another script, the letter that is printed there on others. */
function keyOf({ key, code }) {
  return /^[^\x00-\x7f]$/.test(key) && /^Key[A-Z]$/.test(code) ? code.slice(3).toLowerCase() : key.toLowerCase();
}

function relabelByDigit(digit) {
  const label = (Number(digit) + 9) % 10;
  if (!few()) tellPerson(`There are ${review.classes.length} classes: press / and type the first letters of one.`);
  else if (label >= review.classes.length) tellPerson(`No class has the key ${digit}: there are ${review.classes.length}.`);
  else decide("relabel", label);
}

function relabelAsPredicted() {
  const row = onStage();
  if (row && row.predicted !== null) decide("relabel", row.predicted);
}

function openHelp() {
  byId("help").showModal();
}

function showClasses() {
  const buttons = few()
    ? review.classes.map((name, label) => make("button", { type: "button", "data-label": label, title: name }, make("kbd", {}, digitOf(label)), make("span", {}, name)))
    : [make("button", { type: "button", id: "predicted-class" }, make("kbd", {}, "p"), make("span", {}, "As predicted")), make("button", { type: "button", id: "choose-class", "aria-haspopup": "dialog" }, make("kbd", {}, "/"), make("span", {}, `Another of ${review.classes.length} classes`))];
  byId("classes").append(...buttons);
  byId("classes").classList.toggle("few", few());
  byId("classes").addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button?.dataset.label !== undefined) decide("relabel", Number(button.dataset.label));
    else if (button?.id === "predicted-class") relabelAsPredicted();
    else if (button) openChooser();
  });
}

let options = []; // labels that fit what is typed
let at = 0;

function openChooser() {
  if (!onStage()) return;
  byId("chooser-text").value = "";
  showOptions();
  byId("chooser").showModal();
  byId("chooser-text").focus();
}

function startChooser() {
  byId("chooser-text").addEventListener("input", showOptions);
  byId("chooser-text").addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    point(Math.min(Math.max(0, at + step), Math.min(options.length, MOST_OPTIONS) - 1));
  });
  byId("chooser").querySelector("form").addEventListener("submit", (event) => {
    event.preventDefault();
    choose(options[at]);
  });
  byId("chooser-list").addEventListener("click", (event) => {
    const item = event.target.closest("[data-label]");
    if (item) choose(Number(item.dataset.label));
  });
}

/** The classes that begin with what is typed, then those that have a word which does, then those that hold it. */
function showOptions() {
  const typed = byId("chooser-text").value.trim().toLowerCase();
  const fit = (name) => (name.startsWith(typed) ? 0 : name.split(/[\s_-]+/).some((word) => word.startsWith(typed)) ? 1 : name.includes(typed) ? 2 : 3);
  const ranked = review.classes.map((name, label) => [fit(name.toLowerCase()), label]).filter(([fits]) => fits < 3);
  options = ranked.sort((one, other) => one[0] - other[0] || one[1] - other[1]).map(([, label]) => label);
  const row = onStage();
  const note = (label) => (label === row.given ? "given" : label === row.predicted ? "predicted" : null);
  byId("chooser-list").replaceChildren(
    ...options.slice(0, MOST_OPTIONS).map((label) => make("li", { id: `option-${label}`, role: "option", "data-label": label }, make("span", {}, review.classes[label]), note(label) && make("span", { class: "soft" }, note(label)))),
  );
  const more = options.length - MOST_OPTIONS;
  say(byId("chooser-more"), !options.length ? "No class is called so." : more > 0 ? `and ${more} more: type on` : "");
  point(0);
}

function point(to) {
  at = to;
  [...byId("chooser-list").children].forEach((item, place) => item.setAttribute("aria-selected", place === at));
  const item = byId("chooser-list").children[at];
  byId("chooser-text").setAttribute("aria-activedescendant", item?.id ?? "");
  item?.scrollIntoView({ block: "nearest" });
}

function choose(label) {
  if (label === undefined) return;
  byId("chooser").close();
  decide("relabel", label);
}
