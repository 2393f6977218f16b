// The example that is judged: its picture, its labels, and why it is here.

import { announce, byId, make, mark, say } from "/static/dom.js";
import { className, inWords, pictureOf, review, stands, tell } from "./desk.js";
import { lossCurve } from "./curve.js";
import { settledOf } from "./outbox.js";
import { count, percent } from "./progress.js";

const SMALL = 160; // pixels: below this, each is shown as a square
const REST_MS = 50; // on one example, before more than its row is asked for
const MOST_HELD = 48; // examples that are kept at hand
const NEAR = 8; // neighbours of each class

let now = null; // what is on the stage: {row, expected, seen: "" | "shown" | "broken" | "away"}
let coming = 0; // journeys to another example that have not ended
let timer = null;
const details = new Map(); // by index: promise of all that is told about a suspect
const pictures = new Map(); // by index: the picture of an example

export const onStage = () => now?.row ?? null;
/** Number of the decision that the person saw when this example came up; null if there was none. */
export const expected = () => now.expected;
/** Whether the example can be judged: no other is on its way, and its picture is there, or never will be. */
export const canBeJudged = () => now !== null && coming === 0 && (now.seen === "shown" || now.seen === "broken");
const showReady = () => mark(byId("stage"), "data-ready", canBeJudged());

/** Until `task` is done, the example on the stage is about to leave: a key would mean the one that comes. */
export async function untilThere(task) {
  coming += 1;
  showReady();
  try {
    return await task;
  } finally {
    coming -= 1;
    showReady();
  }
}

/** Put an example on the stage. */
export function show(row, said = "") {
  now = { row, expected: stands(row)?.number ?? null, seen: "" };
  const of = `Suspect ${count(row.position + 1)} of ${count(review.count)}`;
  say(byId("place"), of);
  say(byId("name"), `example ${row.index}`);
  showLabel("given", row.given, row.p_given);
  showLabel("predicted", row.predicted, row.p_predicted);
  say(byId("why-line"), row.why);
  showVerdict();
  showPicture();
  for (const button of byId("classes").querySelectorAll("[data-label]")) {
    const label = Number(button.dataset.label);
    mark(button, "data-of", label === row.given ? "given" : label === row.predicted ? "predicted" : "");
  }
  announce(`${said ? `${said}. ` : ""}${of}: given ${className(row.given)}, predicted ${className(row.predicted)}, ${percent(row.p_predicted)}`);
  clearTimeout(timer);
  if (details.has(row.index)) showDetails(now);
  else timer = setTimeout(showDetails, REST_MS, now);
}

/** After a conflict, or when it was decided here, what stands is what was seen. */
export function seeWhatStands() {
  if (now) now.expected = stands(now.row)?.number ?? null;
}

/** Show the decision on the example, which may have changed. */
export function showVerdict() {
  if (!now) return;
  const settled = settledOf(now.row);
  byId("verdict").hidden = !settled;
  say(byId("verdict"), settled ? inWords(settled) : "");
  mark(byId("verdict"), "data-decision", settled?.decision ?? "");
  for (const button of document.querySelectorAll("#actions [data-decision]")) mark(button, "aria-pressed", settled?.decision === button.dataset.decision);
  for (const button of byId("classes").querySelectorAll("[data-label]")) mark(button, "aria-pressed", settled?.decision === "relabel" && settled.label === Number(button.dataset.label));
}

function showLabel(which, label, share) {
  const line = byId("labels").querySelector(`[data-of="${which}"]`);
  say(line.querySelector(".class-name"), className(label));
  say(line.querySelector(".share"), percent(share));
  line.querySelector(".share-bar span").style.width = `${100 * (share ?? 0)}%`;
}

function showPicture() {
  const mine = now;
  const screen = byId("screen-of-example");
  const image = pictureHeld(mine.row.index);
  const placed = (seen, ...shown) => {
    if (mine !== now) return;
    mine.seen = seen;
    showReady();
    screen.replaceChildren(...shown);
  };
  const there = () => {
    image.classList.toggle("small", Math.max(image.naturalWidth, image.naturalHeight) <= SMALL);
    image.alt = `Example ${mine.row.index}`;
    const small = image.classList.contains("small") ? make("img", { class: "whole", src: image.src, alt: "", title: "the same, small: easier to recognise from afar" }) : null;
    placed("shown", ...[image, small].filter((shown) => shown !== null));
  };
  const missing = async () => {
    pictures.delete(mine.row.index);
    const { seen, line } = await whyMissing(mine.row.index);
    placed(seen, make("p", { class: "placeholder" }, line));
  };
  if (image.complete && image.naturalWidth) return there();
  placed("", make("p", { class: "placeholder" }));
  if (image.complete) return missing();
  image.addEventListener("load", there, { once: true });
  image.addEventListener("error", missing, { once: true });
}

async function whyMissing(index) {
  try {
    const answer = await fetch(pictureOf(index));
    if (answer.ok) return { seen: "broken", line: "The browser cannot show this picture." };
    const body = await answer.json();
    return { seen: answer.status < 500 ? "broken" : "away", line: `No picture: ${body.error}.` };
  } catch {
    return { seen: "away", line: "The picture comes when the server is back." };
  }
}

/** What could not be shown while the server was away is tried again. */
export function tryAgain() {
  if (!now) return;
  if (now.seen === "away") showPicture();
  showDetails(now);
}

function pictureHeld(index) {
  if (!pictures.has(index)) {
    const image = new Image();
    image.src = pictureOf(index);
    hold(pictures, index, image);
  }
  return pictures.get(index);
}

function detailsHeld(index) {
  if (!details.has(index)) {
    const promise = tell(`suspects/${index}`);
    promise.catch(() => details.delete(index));
    hold(details, index, promise);
  }
  return details.get(index);
}

function hold(held, index, value) {
  held.set(index, value);
  for (const old of [...held.keys()].slice(0, Math.max(0, held.size - MOST_HELD))) held.delete(old);
}

async function showDetails(mine) {
  let told;
  try {
    told = await detailsHeld(mine.row.index);
  } catch {
    return; // the banner tells; it is tried again
  }
  if (mine !== now) return;
  const [given, predicted] = [className(mine.row.given), className(mine.row.predicted)];
  say(byId("name"), told.name);
  mark(byId("name"), "title", told.name);
  byId("curve").replaceChildren(lossCurve(told.losses, told.median, given));
  showNear("given-like", `Nearest that are ${given}`, told.given_like);
  showNear("predicted-like", given === predicted ? "" : `Nearest that are ${predicted}`, given === predicted ? [] : told.predicted_like);
}

function showNear(id, title, indices) {
  say(byId(`${id}-title`), title);
  const shown = indices.slice(0, NEAR).map((index) => {
    const image = make("img", { src: pictureOf(index), alt: `Example ${index}`, title: `example ${index}` });
    image.addEventListener("load", () => image.classList.toggle("small", image.naturalWidth <= SMALL));
    image.addEventListener("error", () => image.replaceWith(make("span", { class: "soft" }, "no picture")));
    return make("li", {}, image);
  });
  byId(id).replaceChildren(...shown);
  if (title && !shown.length) byId(id).append(make("li", { class: "soft none" }, "none was found"));
}

/** Have examples at hand before they are wanted. */
export async function prepare(rows) {
  for (const row of rows) {
    pictureHeld(row.index);
    try {
      const told = await detailsHeld(row.index);
      for (const index of [...told.given_like.slice(0, NEAR), ...told.predicted_like.slice(0, NEAR)]) new Image().src = pictureOf(index);
    } catch {
      return;
    }
  }
}
