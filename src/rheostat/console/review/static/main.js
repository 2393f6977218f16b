// The review page: what is reviewed, where the person is, and what has changed.

import { byId, plural, say } from "/static/dom.js";
import { inWords, review, stands, tab, tell } from "./desk.js";
import { pairsChanged, showListed, startFilters } from "./filters.js";
import { goOnIfStranded, goTo, listAgain, listOthers, notice, tellPerson } from "./flow.js";
import { startKeys } from "./keys.js";
import { follow, showBanner } from "./live.js";
import { startOutbox, unsent } from "./outbox.js";
import { showProgress, showStored } from "./progress.js";
import { onStage, seeWhatStands, showVerdict, tryAgain } from "./stage.js";
import { draw, filter, startStrip } from "./strip.js";

const RETRY_MS = 2000; // while the server does not tell what is reviewed
const RELIST_MS = 250; // after changes, before a list of open ones is asked for anew
let relisting = null;

/** What this tab decided is what it sees, also where it went back meanwhile. */
function stored(index) {
  if (onStage()?.index === index) seeWhatStands();
}

/** Decisions have changed, here or elsewhere. */
function showDecisions() {
  draw();
  showVerdict();
  showStored();
  showBanner();
}

function changed(progress, indices, wasAway) {
  showProgress(progress);
  showDecisions();
  pairsChanged();
  const row = onStage();
  if (row && indices.includes(row.index)) {
    const settled = stands(row);
    if (settled?.by === tab) seeWhatStands();
    else if (settled) tellPerson(`This one was ${inWords(settled)} in another tab meanwhile.`);
  }
  if (filter().which !== "all") {
    clearTimeout(relisting);
    relisting = setTimeout(() => listAgain().then(showListed, () => {}), RELIST_MS);
  }
  if (wasAway) {
    tryAgain();
    goOnIfStranded();
  }
}

/** What is reviewed; asked for until the server answers. */
async function opened() {
  for (;;) {
    try {
      return await tell("review");
    } catch (error) {
      if (error.status !== undefined && error.status < 500) throw error;
      byId("banner").hidden = false;
      say(byId("banner"), error.status === undefined ? "The server does not answer; trying again." : `${error.message}; trying again.`);
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

async function start() {
  try {
    const { progress, pairs, ...told } = await opened();
    byId("banner").hidden = true;
    Object.assign(review, told);
    document.title = `${review.title} - Review - Rheostat`;
    say(byId("title"), review.title);
    startOutbox({ changed: showDecisions, stored, refused: notice });
    if (unsent()) tellPerson(`${plural(unsent(), "decision")} that an earlier page could not send: being stored now.`);
    startKeys();
    startStrip(goTo);
    startFilters(pairs);
    showProgress(progress);
    showStored();
    await listOthers({ which: "all" });
    if (!onStage()) say(byId("place"), "There is no suspect to review.");
    follow(progress.number, changed);
  } catch (error) {
    byId("banner").hidden = false;
    byId("banner").textContent = error.status === undefined ? "The server does not answer: reload the page when it does." : `${error.message}.`;
  }
}

start();
