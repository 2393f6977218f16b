// The node's state as it comes: a stream of server-sent events, single requests while the stream is away.

import { ask, byId } from "./dom.js";

const SILENCE_MS = 5000; // the node sends twice a second
const LONGEST_WAIT_MS = 5000;
const POLLS_BEFORE_STREAM = 5;

/** Call `show` with every state; say on the page when there is none, and since when. */
export function follow(show) {
  let waitMs = 500;
  let lostAt = null;
  let clock = null;

  function arrived(status) {
    waitMs = 500;
    lostAt = null;
    clearInterval(clock);
    byId("banner").hidden = true;
    document.body.classList.remove("stale");
    show(status);
  }

  function lost(error) {
    lostAt ??= Date.now();
    document.body.classList.add("stale");
    const why = explained(error);
    const tell = () => {
      byId("banner").textContent = `${why} What you see is ${Math.round((Date.now() - lostAt) / 1000)} s old.`;
    };
    clearInterval(clock);
    clock = setInterval(tell, 1000);
    tell();
    byId("banner").hidden = false;
  }

  function explained(error) {
    if (error.status === 401) return "The node asks for its token: open the address that it showed when it started.";
    if (error.status !== undefined) return `The node is there, but cannot tell its state: ${error.message}.`;
    return "Connection to the node lost; trying again.";
  }

  function stream() {
    const source = new EventSource("/api/stream");
    let silence;
    const giveUp = () => {
      clearTimeout(silence);
      source.close();
      poll(POLLS_BEFORE_STREAM);
    };
    const listen = () => {
      clearTimeout(silence);
      silence = setTimeout(giveUp, SILENCE_MS);
    };
    source.onerror = giveUp;
    source.onmessage = (message) => {
      listen();
      arrived(JSON.parse(message.data));
    };
    listen();
  }

  async function poll(left) {
    try {
      arrived(await ask("/api/status"));
    } catch (error) {
      lost(error);
      waitMs = Math.min(LONGEST_WAIT_MS, 1.5 * waitMs);
      setTimeout(poll, waitMs, 1); // once it answers again, so will the stream
      return;
    }
    if (left > 1) setTimeout(poll, 1000, left - 1);
    else stream();
  }

  stream();
}
