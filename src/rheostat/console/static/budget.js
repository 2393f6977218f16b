// What the node may spend, what its plan was made for, and what it spends.

import { announce, byId, change, facts, mark, number, rate, say } from "./dom.js";

const EXPLAINED = {
  steady: "The node keeps up with its plan.",
  behind: "The node does not keep up: it plans with less.",
  probing: "The node has time to spare: it tries a larger plan.",
};
const TOO_LITTLE = "Even the cheapest plan costs more than is allowed: allow more, or remove apps.";
let edited = false;

export function showBudget(budget) {
  const whole = Math.max(budget.ceiling ?? 0, budget.now ?? 0, budget.used ?? 0) || 1;
  const share = (value) => `${(100 * (value ?? 0)) / whole}%`;
  byId("budget-used").style.width = share(budget.used);
  byId("budget-now").style.left = share(budget.now);
  mark(byId("budget-used"), "data-over", (budget.used ?? 0) > (budget.now ?? Infinity));
  const said = `${number(budget.used)} ${budget.unit} used, ${number(budget.now)} planned for, ${number(budget.ceiling)} allowed`;
  mark(byId("budget-bar"), "aria-label", said);
  const cores = budget.unit === "core-ms/s" && budget.cores
    ? [[`of ${budget.cores} ${budget.cores === 1 ? "core" : "cores"}`, `${rate(budget.used === null ? null : budget.used / budget.cores / 10)} %`]]
    : [];
  facts(byId("budget-facts"), [
    ["used", number(budget.used)],
    ["planned for", number(budget.now)],
    ["allowed", `${number(budget.ceiling)} ${budget.unit}`],
    ...cores,
  ]);
  say(byId("budget-state"), budget.state);
  mark(byId("budget-state"), "data-state", budget.state);
  const tooLittle = budget.ceiling !== null && budget.floor > budget.ceiling;
  say(byId("budget-why"), tooLittle ? TOO_LITTLE : EXPLAINED[budget.state] ?? "");
  say(byId("budget-unit"), budget.unit);
  if (!edited && budget.ceiling !== null) byId("budget-ceiling").value = Number(budget.ceiling.toFixed(1));
}

/** Let the budget be changed. */
export function startBudget() {
  const [input, said] = [byId("budget-ceiling"), byId("budget-said")];
  input.addEventListener("input", () => {
    edited = true;
  });
  byId("budget-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const asked = Number(input.value);
    try {
      await change("POST", "/api/budget", { budget: asked });
      mark(said, "class", "");
      said.textContent = `Set to ${asked}.`;
      announce(`budget set to ${asked}`);
      edited = false;
    } catch (error) {
      mark(said, "class", "wrong");
      said.textContent = error.message;
    }
  });
}
