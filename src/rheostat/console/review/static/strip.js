// The suspects in the order of review: however many there are, only those in sight are in the page.

import { byId, make, mark, say } from "/static/dom.js";
import { className, inWords, pictureOf, tell } from "./desk.js";
import { settledOf } from "./outbox.js";
import { count, percent } from "./progress.js";

const BLOCK = 60; // rows asked for at once
const MOST_BLOCKS = 30; // kept; those in sight are never among the oldest
const BEYOND = 4; // rows drawn outside what is in sight, on both sides
const REST_MS = 70; // without scrolling, before rows are asked for
const MARKS = { keep: "k", relabel: "→", remove: "x", skip: "s" };

let asked = { which: "all" }; // what is listed
let total = 0;
let blocks = new Map(); // by number of the block: rows, or the promise of them
let generation = 0;
let timer = null;
let current = null; // index of the example on the stage
let open = () => {};
const drawn = new Map(); // by rank: the element, and what it shows
const [strip, spacer] = [byId("strip"), byId("spacer")];

export const filter = () => asked;
export const listed = () => total;
const flat = () => strip.clientHeight < 160; // lies on its side on a small screen
const step = () => (flat() ? 76 : 60); // as in the style sheet

/** Let the list be scrolled; `opened(row, rank)` is called for the row that is chosen. */
export function startStrip(opened) {
  open = opened;
  strip.addEventListener("scroll", draw, { passive: true });
  new ResizeObserver(() => draw()).observe(strip);
}

/** List what is asked for anew: other suspects, or the same after some have changed. The old rows stay until the new ones are there. */
export async function list(values, around = 0) {
  const mine = ++generation;
  const fresh = new Map();
  const block = Math.floor(around / BLOCK);
  const found = await tell("suspects", { ...values, start: block * BLOCK, count: BLOCK });
  if (mine !== generation) return false;
  fresh.set(block, found.rows);
  [asked, blocks, total] = [values, fresh, found.total];
  for (const rank of [...drawn.keys()]) drop(rank);
  draw();
  return true;
}

/** The row at a rank, if it is here already. */
export function rowAt(rank) {
  const rows = blocks.get(Math.floor(rank / BLOCK));
  return Array.isArray(rows) ? (rows[rank % BLOCK] ?? null) : null;
}

/** The row at a rank, asked for if it is not here; null beyond the ends. */
export async function fetchRow(rank) {
  if (rank < 0 || rank >= total) return null;
  await load(Math.floor(rank / BLOCK));
  return rowAt(rank);
}

/** The first row at a position of the review or after it, and its rank. */
export const find = (position, values = asked) => tell("next", { ...values, position });

function load(block) {
  const held = blocks.get(block);
  if (held) return Promise.resolve(held);
  const into = blocks;
  const promise = tell("suspects", { ...asked, start: block * BLOCK, count: BLOCK }).then(
    (found) => {
      into.delete(block);
      into.set(block, found.rows); // the newest come last
      for (const old of [...into.keys()].slice(0, Math.max(0, into.size - MOST_BLOCKS))) into.delete(old);
      if (into === blocks) draw();
    },
    (error) => {
      into.delete(block);
      throw error;
    },
  );
  into.set(block, promise);
  return promise;
}

/** Mark the example on the stage, and bring it into sight. */
export function markCurrent(index, rank) {
  current = index;
  if (rank !== null) {
    const [size, at, seen] = [step(), strip[flat() ? "scrollLeft" : "scrollTop"], flat() ? strip.clientWidth : strip.clientHeight];
    const place = rank * size;
    if (place < at + size || place > at + seen - 2 * size) {
      strip.scrollTo({ [flat() ? "left" : "top"]: Math.max(0, place - seen / 3), behavior: "instant" });
    }
  }
  draw();
}

/** Draw the rows in sight; ask for those that are missing once the list rests. */
export function draw() {
  const size = step();
  const side = flat();
  spacer.style[side ? "width" : "height"] = `${total * size}px`;
  spacer.style[side ? "height" : "width"] = "";
  const at = side ? strip.scrollLeft : strip.scrollTop;
  const first = Math.max(0, Math.floor(at / size) - BEYOND);
  const last = Math.min(total, Math.ceil((at + (side ? strip.clientWidth : strip.clientHeight)) / size) + BEYOND);
  for (const rank of [...drawn.keys()]) {
    if (rank < first || rank >= last) drop(rank);
  }
  for (let rank = first; rank < last; rank++) {
    if (!drawn.has(rank)) drawn.set(rank, makeRow());
    const row = drawn.get(rank);
    if (!row.element.isConnected) spacer.append(row.element);
    row.element.style.transform = side ? `translateX(${rank * size}px)` : `translateY(${rank * size}px)`;
    row.update(rowAt(rank), rank);
  }
  clearTimeout(timer);
  timer = setTimeout(() => {
    for (let block = Math.floor(first / BLOCK); block * BLOCK < last; block++) load(block).catch(() => {}); // the banner tells, and the next draw asks again
  }, REST_MS);
}

function drop(rank) {
  drawn.get(rank).element.remove();
  drawn.delete(rank);
}

function makeRow() {
  const picture = make("span", { class: "thumb" });
  const classes = make("span", { class: "classes" });
  const share = make("span", { class: "soft" });
  const verdict = make("span", { class: "mark" });
  const element = make("button", { type: "button", class: "row" }, picture, make("span", { class: "text" }, classes, share), verdict);
  let shown = null;
  let place = 0;
  element.addEventListener("click", () => shown && open(shown, place));
  return {
    element,
    update(row, rank) {
      place = rank;
      if (row && row.index !== shown?.index) {
        const image = make("img", { src: pictureOf(row.index), alt: "", decoding: "async" });
        image.addEventListener("error", () => image.replaceWith("?")); // the stage says why
        picture.replaceChildren(image);
        image.addEventListener("load", () => image.classList.toggle("small", image.naturalWidth < 48));
      } else if (!row) {
        picture.replaceChildren();
      }
      shown = row;
      const settled = row && settledOf(row);
      say(classes, row ? `${className(row.given)} → ${className(row.predicted)}` : "");
      say(share, row ? `#${count(row.position + 1)} · ${percent(row.p_predicted)}` : "");
      say(verdict, settled ? MARKS[settled.decision] : "");
      mark(verdict, "data-decision", settled?.decision ?? "");
      mark(element, "aria-current", row !== null && row.index === current);
      mark(element, "tabindex", row !== null && row.index === current ? 0 : -1);
      const told = row ? `Suspect ${row.position + 1}: given ${className(row.given)}, predicted ${className(row.predicted)}, ${settled ? inWords(settled) : "open"}` : "";
      mark(element, "aria-label", told);
      mark(element, "title", row ? `${className(row.given)} → ${className(row.predicted)}` : "");
    },
  };
}
