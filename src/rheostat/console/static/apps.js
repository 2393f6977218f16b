// A row per app: its state and why, its scores, the rate that it gets; and apps that come and go.

import { announce, byId, change, duration, make, mark, number, plural, rate, say } from "./dom.js";
import { makeTimeline } from "./timeline.js";

const MOST_PIPS = 8; // votes that are drawn one by one
const BEHIND = 0.9; // of the planned rate
const RECENT = 20; // looks that are judged together
const rows = new Map();

export function showApps(apps) {
  const list = byId("app-rows");
  const now = Math.max(0, ...apps.map((app) => app.timeline.at(-1)?.[0] ?? 0));
  for (const [name, row] of rows) {
    if (!apps.some((app) => app.name === name)) {
      row.element.remove();
      rows.delete(name);
    }
  }
  apps.forEach((app, at) => {
    if (!rows.has(app.name)) rows.set(app.name, makeRow(app.name));
    const row = rows.get(app.name);
    if (list.children[at] !== row.element) list.insertBefore(row.element, list.children[at] ?? null);
    row.update(app, now);
  });
  byId("no-apps").hidden = apps.length > 0;
}

function makeRow(name) {
  const state = make("span", { class: "pill" });
  const why = make("p", { class: "why" });
  const pips = make("span", { class: "pips", "aria-hidden": "true" });
  const streak = make("span");
  const speed = make("span", { class: "speed" });
  const fill = make("span");
  const rest = make("span", { class: "rest" });
  const remove = make("button", { type: "button", class: "quiet", "aria-label": `Remove ${name}`, "aria-haspopup": "dialog" }, "Remove");
  const timeline = makeTimeline();
  const element = make(
    "li",
    { class: "app" },
    make("div", { class: "app-head" }, make("h3", { title: name }, name), state, why, remove),
    timeline.element,
    make(
      "div",
      { class: "app-foot" },
      make("span", { class: "votes" }, pips, streak),
      make("span", { class: "rate" }, make("span", { class: "gauge", "aria-hidden": "true" }, fill), speed),
      rest,
    ),
  );
  remove.addEventListener("click", () => askToRemove(name));
  let before = null;

  return {
    element,
    update(app, now) {
      if (before !== null && before !== app.state && (app.state === "event" || before === "event")) {
        announce(app.state === "event" ? `${name}: an event began` : `${name}: the event ended`);
      }
      before = app.state;
      say(state, app.state);
      mark(state, "data-state", app.state);
      mark(element, "data-state", app.state);
      say(why, explained(app, now));
      showStreak(pips, streak, app);
      const share = app.planned_fps ? (app.achieved_fps ?? 0) / app.planned_fps : 0;
      fill.style.width = `${100 * Math.min(1, share)}%`;
      const behind = app.achieved_fps !== null && share < BEHIND && isLate(app, now);
      mark(speed.parentElement, "data-behind", behind);
      say(speed, `${rate(app.achieved_fps)} of ${rate(app.planned_fps)} fps${behind ? ", behind" : ""}`);
      say(rest, `${app.frozen ?? "–"} frozen · F1 ${number(app.f1, 2)} · ${plural(app.events, "event")}`);
      timeline.update(app, now);
    },
  };
}

/** Whether looks are missing among the last ones: where a window holds but two or three, its rate cannot tell. */
function isLate(app, now) {
  const recent = app.timeline.slice(-RECENT);
  return recent.length > 0 && recent.length < BEHIND * app.planned_fps * (now - recent[0][0]);
}

/** One sentence: why this app is in the state that it is in. */
function explained(app, now) {
  const needed = app.votes || 1;
  const score = `score ${number(app.score, 2)}`;
  const since = typeof app.since === "number" ? `for ${duration(Math.max(0, now - app.since))}` : "";
  if (app.state === "event") {
    const held = app.streak ? `${plural(app.streak, "hit")} in a row, ${needed} needed` : `${score}, the last samples missed`;
    return `${since}: ${held}`;
  }
  if (app.state === "candidate") return `${score}: ${app.streak} of ${plural(needed, "hit")} in a row`;
  if (app.state === "waiting") return "no sample yet under this plan";
  return `${since}: ${score} is below ${number(app.threshold, 2)}`;
}

function showStreak(pips, streak, app) {
  const needed = app.votes || 1;
  const drawn = needed <= MOST_PIPS ? needed : 0;
  while (pips.children.length > drawn) pips.lastElementChild.remove();
  while (pips.children.length < drawn) pips.append(make("i"));
  [...pips.children].forEach((pip, at) => mark(pip, "class", at < app.streak ? "on" : "off"));
  say(streak, `${Math.min(app.streak, needed)} of ${needed} votes${app.streak > needed ? ` (${app.streak} hits)` : ""}`);
}

let leaving = null;

function askToRemove(name) {
  leaving = name;
  say(byId("remove-name"), name);
  byId("remove-wrong").textContent = "";
  byId("remove-dialog").showModal();
}

/** Let apps be added and removed. */
export function startApps() {
  byId("add").addEventListener("click", () => {
    byId("add-form").reset();
    byId("add-wrong").textContent = "";
    byId("add-dialog").showModal();
  });
  ready("add", async () => {
    const { name } = await change("POST", "/api/apps", { folder: byId("add-folder").value.trim() });
    announce(`${name} was added`);
  });
  ready("remove", async () => {
    await change("DELETE", `/api/apps/${encodeURIComponent(leaving)}`);
    announce(`${leaving} was removed`);
  });
}

/** Carry out what a dialog asks; it closes when that is done, and says why when it is not. */
function ready(what, carryOut) {
  const [dialog, form, wrong] = [byId(`${what}-dialog`), byId(`${what}-form`), byId(`${what}-wrong`)];
  dialog.querySelector(".cancel").addEventListener("click", () => dialog.close());
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("[type=submit]");
    button.disabled = true;
    try {
      await carryOut();
      dialog.close();
    } catch (error) {
      wrong.textContent = error.message;
    } finally {
      button.disabled = false;
    }
  });
}
