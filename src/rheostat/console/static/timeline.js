// The scores of one app over the last seconds: why it fired, or did not.

import { draw, mark, number } from "./dom.js";

const WINDOW_S = 30;
const HEIGHT = 58;
const [LEFT, RIGHT, TOP, BOTTOM] = [4, 8, 7, 7];

/** An empty timeline; `update(app, now)` draws the samples [time, score, streak] of an app up to the time `now`. */
export function makeTimeline() {
  const line = draw("path", { class: "score" });
  const threshold = draw("line", { class: "threshold" });
  const label = draw("text", { class: "threshold-label" });
  const marks = Object.fromEntries(["miss", "hit", "fired"].map((kind) => [kind, draw("path", { class: kind })]));
  const cursor = draw("circle", { class: "cursor", r: 6, visibility: "hidden" });
  const readout = draw("text", { class: "readout" });
  const parts = [threshold, line, ...Object.values(marks), cursor, label, readout];
  const element = draw("svg", { class: "timeline", role: "img", height: HEIGHT }, ...parts);
  let app = null;
  let now = 0;
  let pointerX = null;

  const height = (score) => TOP + (1 - Math.min(1, Math.max(0, score))) * (HEIGHT - TOP - BOTTOM);

  function redraw() {
    const width = element.clientWidth || 600;
    const along = (time) => LEFT + (1 - (now - time) / WINDOW_S) * (width - LEFT - RIGHT);
    const samples = app.timeline.filter(([time, score]) => time >= now - WINDOW_S && time <= now && score !== null);
    const longestGap = Math.max(1.5, 3 / (app.planned_fps || 1));
    let path = "";
    const dots = { miss: "", hit: "", fired: "" };
    samples.forEach(([time, score, streak], at) => {
      const [x, y] = [along(time), height(score)];
      const joined = at > 0 && time - samples[at - 1][0] <= longestGap;
      path += `${joined ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
      const kind = kindOf(streak, app.votes);
      dots[kind] += dot(x, y, { miss: 1.8, hit: 3.2, fired: 4 }[kind]);
    });
    mark(line, "d", path);
    for (const [kind, d] of Object.entries(dots)) mark(marks[kind], "d", d);
    const level = height(app.threshold);
    for (const [name, value] of Object.entries({ x1: LEFT, x2: width - RIGHT, y1: level, y2: level })) mark(threshold, name, value);
    mark(label, "x", LEFT);
    mark(label, "y", level - 3);
    label.textContent = number(app.threshold, 2);
    point(samples, along, width);
  }

  function point(samples, along, width) {
    const near = pointerX === null ? null : nearest(samples, (sample) => Math.abs(along(sample[0]) - pointerX));
    mark(cursor, "visibility", near ? "visible" : "hidden");
    readout.textContent = "";
    if (!near) return;
    const [time, score, streak] = near;
    mark(cursor, "cx", along(time));
    mark(cursor, "cy", height(score));
    const onTheRight = along(time) > width / 2; // it is told on the other side
    mark(readout, "text-anchor", onTheRight ? "start" : "end");
    mark(readout, "x", onTheRight ? LEFT + 40 : width - RIGHT);
    mark(readout, "y", 12);
    readout.textContent = `${number(time, 1)} s: ${number(score, 2)}, ${streak ? `hit ${streak} of ${app.votes}` : "miss"}`;
  }

  element.addEventListener("pointermove", (event) => {
    pointerX = event.clientX - element.getBoundingClientRect().left;
    if (app) redraw();
  });
  element.addEventListener("pointerleave", () => {
    pointerX = null;
    if (app) redraw();
  });

  return {
    element,
    update(next, time) {
      [app, now] = [next, time];
      const hits = app.timeline.filter(([, , streak]) => streak > 0).length;
      const said = `Scores of ${app.name}: newest ${number(app.score, 2)}, threshold ${number(app.threshold, 2)}, `;
      mark(element, "aria-label", `${said}${hits} hits in the last ${app.timeline.length} samples`);
      redraw();
    },
  };
}

/** What a sample was: a miss, a hit, or the hit (or a later one) with which the votes were reached. */
function kindOf(streak, votes) {
  if (!streak) return "miss";
  return streak >= (votes || 1) ? "fired" : "hit";
}

function dot(x, y, radius) {
  const [left, arc] = [(x - radius).toFixed(1), `a${radius} ${radius} 0 1 0`];
  return `M${left} ${y.toFixed(1)}${arc} ${2 * radius} 0${arc} ${-2 * radius} 0z`;
}

function nearest(samples, distance) {
  return samples.reduce((best, sample) => (best === null || distance(sample) < distance(best) ? sample : best), null);
}
