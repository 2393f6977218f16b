// The newest frame, and what is known about the source that it comes from.

import { byId, duration, facts, mark, number, rate, say } from "./dom.js";

const SLOWEST_MS = 10000; // a picture that takes longer is given up, and the next one asked for

const EXPLAINED = {
  connecting: "Waiting for the first frame.",
  stalled: "No frame arrives.",
  failed: "It does not open.",
  ended: "It has given its last frame.",
};

let askedAt = null; // when the picture on its way was asked for
let shownFrame = -1;
let stateSeen = { name: null, at: 0 };

export function startCamera() {
  const picture = byId("frame");
  picture.addEventListener("load", () => {
    askedAt = null;
    picture.hidden = false;
  });
  picture.addEventListener("error", () => {
    askedAt = null;
  });
}

export function showSource(status) {
  const { source, latency_ms: latency, frames } = status;
  say(byId("source-name"), source.name);
  mark(byId("source-name"), "title", source.name);
  say(byId("source-state"), source.state);
  mark(byId("source-state"), "data-state", source.state);
  const kind = source.live ? "live" : "file";
  say(byId("node-facts"), `${kind}, ${rate(status.stream_fps)} fps · up ${duration(status.uptime_s)} · version ${status.version}`);
  facts(byId("stream-facts"), [
    ["in", `${rate(source.fps)} fps`],
    ["frames", number(source.frames_in)],
    ["dropped", number(source.frames_dropped)],
    ["corrupt", number(source.corrupt)],
    ["analysed", number(frames?.analysed)],
    ["skipped", number(frames?.skipped)],
    ["restarts", number(source.restarts)],
    ["latency p50 / p95 / p99", `${number(latency?.p50)} / ${number(latency?.p95)} / ${number(latency?.p99)} ms`],
  ]);
  showOverlay(source);
  askForFrame(source);
}

function showOverlay(source) {
  if (stateSeen.name !== source.state) stateSeen = { name: source.state, at: Date.now() };
  const overlay = byId("overlay");
  overlay.hidden = source.state === "running";
  if (overlay.hidden) return;
  const since = source.since_s ?? (Date.now() - stateSeen.at) / 1000;
  say(byId("overlay-state"), `${source.state} for ${duration(since)}`);
  say(byId("overlay-reason"), source.reason || (EXPLAINED[source.state] ?? ""));
}

function askForFrame(source) {
  const waiting = askedAt !== null && Date.now() - askedAt < SLOWEST_MS;
  if (document.hidden || waiting || !source.frames_in || source.frames_in === shownFrame) return;
  askedAt = Date.now();
  shownFrame = source.frames_in;
  byId("frame").src = `/api/frame.jpg?frame=${source.frames_in}`;
}
