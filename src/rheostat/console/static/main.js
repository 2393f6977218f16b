// The live page: every state of the node goes to each part of the page.

import { showApps, startApps } from "./apps.js";
import { showBudget, startBudget } from "./budget.js";
import { showSource, startCamera } from "./camera.js";
import { startEvents, watchEvents } from "./events.js";
import { follow } from "./live.js";
import { showPlan, startPlan } from "./plan.js";

function showTitle(status) {
  const on = status.apps.filter((app) => app.state === "event").map((app) => app.name);
  const title = on.length ? `● ${on.length === 1 ? on[0] : `${on.length} events`} - Rheostat` : `${status.source.name} - Rheostat`;
  if (document.title !== title) document.title = title;
}

startCamera();
startApps();
startBudget();
startEvents();
startPlan();
follow((status) => {
  showTitle(status);
  showSource(status);
  showApps(status.apps);
  showBudget(status.budget);
  showPlan(status);
  watchEvents(status.apps);
});
