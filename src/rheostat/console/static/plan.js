// The plan that runs: its tree, and beside what was planned what is achieved.

import { byId, make, number, rate, say } from "./dom.js";

let shown = null;

export function startPlan() {
  const picture = byId("tree-picture");
  picture.addEventListener("load", () => {
    picture.height = picture.naturalHeight; // of an SVG: what it says of itself
    picture.hidden = false;
  });
}

export function showPlan(status) {
  const now = JSON.stringify([status.plan_number, status.plan]); // a node that was started anew counts from 1 again
  if (now !== shown) {
    shown = now;
    if (status.plan) byId("tree-picture").src = `/api/plan.svg?plan=${status.plan_number}&at=${Date.now()}`;
    else byId("tree-picture").hidden = true;
  }
  say(byId("plan-number"), status.plan ? `number ${status.plan_number}` : "none yet");
  const achieved = new Map(status.apps.map((app) => [app.name, app.achieved_fps]));
  const planned = status.plan?.apps ?? [];
  const body = byId("plan-rows");
  while (body.children.length > planned.length) body.lastElementChild.remove();
  planned.forEach((app, at) => {
    if (!body.children[at]) body.append(make("tr", {}, make("th", { scope: "row" }), ...Array.from({ length: 7 }, () => make("td"))));
    const cells = [app.name, rate(app.fps), rate(achieved.get(app.name)), app.frozen, app.votes ?? "–"];
    [...cells, number(app.f1, 2), number(app.recall, 2), number(app.precision, 2)].forEach((cell, column) => {
      say(body.children[at].children[column], String(cell));
    });
  });
}
