// What was found: the newest events with their pictures, and their clips on demand.

import { ask, byId, duration, make, mark, number, plural, say } from "./dom.js";

const PAGE = 24;
const SETTLING_MS = 20000; // after a change: the end of an event, its clip
const REFRESH_MS = 2000;

let events = []; // what is shown, newest first
const cards = new Map(); // by id of the event
let filter = "";
let signature = "";
let settledAt = 0;
let askedAt = -Infinity;
let asking = false;
let opened = null; // id of the event whose evidence is shown

export function startEvents() {
  byId("event-filter").addEventListener("change", (change) => {
    filter = change.target.value;
    events = [];
    show();
    load();
  });
  byId("older").addEventListener("click", () => load(events.at(-1)?.id));
  const dialog = byId("evidence");
  byId("evidence-close").addEventListener("click", () => dialog.close());
  byId("newer-event").addEventListener("click", () => step(-1));
  byId("older-event").addEventListener("click", () => step(1));
  dialog.addEventListener("close", () => {
    cards.get(opened)?.button.focus();
    opened = null;
    byId("evidence-screen").replaceChildren(); // a video stops
  });
}

/** Ask for events when a state says that there may be others, or that some may have changed. */
export function watchEvents(apps) {
  showFilter(apps.map((app) => app.name));
  const seen = JSON.stringify(apps.map((app) => [app.name, app.events, app.state === "event"]));
  const now = Date.now();
  if (seen !== signature) {
    signature = seen;
    settledAt = now + SETTLING_MS;
    load();
  } else if (now - askedAt > REFRESH_MS && (now < settledAt || events.some((event) => event.state === "open"))) {
    load();
  }
}

function showFilter(names) {
  const select = byId("event-filter");
  const wanted = ["", ...new Set(filter && !names.includes(filter) ? [...names, filter] : names)];
  const had = [...select.options].map((option) => option.value);
  if (JSON.stringify(had) === JSON.stringify(wanted)) return;
  select.replaceChildren(...wanted.map((name) => make("option", { value: name }, name || "all apps")));
  select.value = filter;
}

/** Ask for the newest events, or for those before one that is shown. */
async function load(before) {
  if (asking && before === undefined) return;
  asking = true;
  askedAt = Date.now();
  const asked = filter;
  const query = new URLSearchParams({ limit: PAGE, ...(filter && { app: filter }), ...(before !== undefined && { before }) });
  try {
    const found = (await ask(`/api/events?${query}`)).events;
    if (asked !== filter) return;
    if (before !== undefined && events.at(-1)?.id !== before) return; // asked for twice, or the list is another by now
    if (before !== undefined) events = [...events, ...found];
    else events = withNewest(found);
    if (before !== undefined || events.length === found.length) byId("older").hidden = found.length < PAGE;
    show();
  } catch {
    // the connection's banner tells, and the next state asks again
  } finally {
    asking = false;
    if (asked !== filter) load();
  }
}

/** The newest events, and of those that were shown the older ones: none if there may be others in between. */
function withNewest(found) {
  if (found.length < PAGE) return found;
  const last = events.findIndex((event) => event.id === found.at(-1).id);
  return last < 0 ? found : [...found, ...events.slice(last + 1)];
}

function show() {
  const list = byId("event-cards");
  const ids = new Set(events.map((event) => event.id));
  for (const [id, card] of cards) {
    if (!ids.has(id)) {
      card.element.remove();
      cards.delete(id);
    }
  }
  events.forEach((event, at) => {
    if (!cards.has(event.id)) cards.set(event.id, makeCard(event.id));
    const card = cards.get(event.id);
    card.update(event);
    if (list.children[at] !== card.element) list.insertBefore(card.element, list.children[at] ?? null);
  });
  byId("no-events").hidden = events.length > 0;
  say(byId("no-events"), filter ? "No event of this app yet." : "No event yet.");
}

function makeCard(id) {
  const screen = make("span", { class: "thumb" }, make("span", {}, "no picture"));
  const name = make("strong");
  const badge = make("span", { class: "pill" });
  const when = make("time");
  const what = make("span", { class: "soft" });
  const note = make("span", { class: "soft" });
  const button = make("button", { type: "button", class: "event", "aria-haspopup": "dialog" }, screen, make("span", { class: "line" }, name, badge), when, what, note);
  button.addEventListener("click", () => open(id));
  return {
    button,
    element: make("li", {}, button),
    update(event) {
      mark(button, "data-state", event.state);
      showPicture(screen, event);
      say(name, event.app);
      mark(name, "title", event.app);
      badge.hidden = event.state === "closed";
      say(badge, event.state);
      mark(badge, "data-state", event.state === "open" ? "event" : event.state);
      mark(when, "datetime", event.wall);
      say(when, clockTime(event.wall));
      say(what, `${lasted(event)} · peak ${number(event.peak, 2)} · ${plural(event.hits, "hit")}`);
      say(note, event.note || "");
    },
  };
}

function showPicture(screen, event) {
  if (!event.snapshot) return;
  const source = pictureOf(event);
  if (screen.firstElementChild.getAttribute("src") === source) return;
  screen.replaceChildren(make("img", { src: source, alt: "", loading: "lazy" }));
}

const pictureOf = (event) => `/api/events/${event.id}/snapshot?state=${event.state}`;

function lasted(event) {
  return event.end === null ? "still on" : `${number(event.end - event.start, 1)} s`;
}

function clockTime(wall) {
  const time = new Date(wall);
  if (Number.isNaN(time.valueOf())) return String(wall ?? "");
  const day = time.toDateString() === new Date().toDateString() ? "" : `${time.toLocaleDateString()} `;
  return day + time.toLocaleTimeString();
}

function open(id) {
  const at = events.findIndex((event) => event.id === id);
  if (at < 0) return;
  const event = events[at];
  opened = id;
  say(byId("evidence-title"), `${event.app}, event ${event.id}`);
  byId("evidence-screen").replaceChildren(evidenceOf(event));
  const list = byId("evidence-facts");
  const facts = [
    ["began", `${clockTime(event.wall)} (${number(event.start, 1)} s of the stream)`],
    ["lasted", lasted(event)],
    ["peak", `${number(event.peak, 2)} at ${number(event.peak_time, 1)} s`],
    ["hits", number(event.hits)],
    ["state", event.state],
    ...(event.note ? [["note", event.note]] : []),
  ];
  list.replaceChildren(...facts.map(([term, value]) => make("div", {}, make("dt", {}, term), make("dd", {}, value))));
  byId("newer-event").disabled = at === 0;
  byId("older-event").disabled = at === events.length - 1;
  if (!byId("evidence").open) byId("evidence").showModal();
}

function evidenceOf(event) {
  if (event.clip) {
    const video = make("video", {
      src: `/api/events/${event.id}/clip`,
      poster: event.snapshot ? pictureOf(event) : null,
      controls: true,
      playsinline: true,
      "aria-label": `Clip of event ${event.id}`,
    });
    video.muted = true;
    video.autoplay = !matchMedia("(prefers-reduced-motion: reduce)").matches;
    return video;
  }
  const why = event.state === "open" ? "The clip is written when the event ends." : "There is no clip of this event.";
  if (!event.snapshot) return make("p", { class: "empty" }, `There is no picture of this event. ${why}`);
  return make("figure", {}, make("img", { src: pictureOf(event), alt: `Snapshot of event ${event.id}` }), make("figcaption", { class: "soft" }, why));
}

function step(by) {
  const next = events[events.findIndex((event) => event.id === opened) + by];
  if (next) open(next.id);
}
