// The loss of one example in each epoch, beside that of its given class.

import { draw, make, number } from "/static/dom.js";

const [WIDTH, HEIGHT] = [300, 170];
const [LEFT, RIGHT, TOP, BOTTOM] = [26, 8, 10, 20];

export function lossCurve(losses, median, className) {
  const known = [...losses, ...median].filter((loss) => loss !== null);
  if (!losses.some((loss) => loss !== null)) return make("p", { class: "empty" }, "The model never looked at it: there is no loss.");
  const highest = Math.max(...known, 0.1);
  const epochs = Math.max(losses.length, median.length);
  const x = (epoch) => LEFT + (epochs === 1 ? 0.5 : epoch / (epochs - 1)) * (WIDTH - LEFT - RIGHT);
  const y = (loss) => TOP + (1 - loss / highest) * (HEIGHT - TOP - BOTTOM);
  const last = losses.findLast((loss) => loss !== null);
  const usual = median.findLast((loss) => loss !== null) ?? null;
  const chart = draw("svg", {
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    role: "img",
    "aria-label": `Loss in ${epochs} epochs: last ${number(last, 2)}, the median of ${className} ${number(usual, 2)}`,
  });
  for (const loss of [0, highest]) {
    chart.append(draw("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y(loss), y2: y(loss) }));
    chart.append(draw("text", { x: LEFT - 4, y: y(loss) + 3.5, "text-anchor": "end" }, number(loss, loss ? 1 : 0)));
  }
  chart.append(draw("text", { x: LEFT, y: HEIGHT - 5 }, "epoch 1"));
  if (epochs > 1) chart.append(draw("text", { x: WIDTH - RIGHT, y: HEIGHT - 5, "text-anchor": "end" }, String(epochs)));
  chart.append(draw("path", { class: "median", d: line(median, x, y) }), draw("path", { class: "own", d: line(losses, x, y) }));
  losses.forEach((loss, epoch) => {
    if (loss !== null && epochs <= 60) chart.append(draw("circle", { class: "own", cx: x(epoch), cy: y(loss), r: 2.2 }));
  });
  const key = (name, text) => make("li", {}, draw("svg", { width: 18, height: 8, "aria-hidden": "true" }, draw("path", { class: name, d: "M0 4H18" })), text);
  return make("figure", {}, make("figcaption", { class: "soft" }, "Loss in each epoch"), chart, make("ul", { class: "legend" }, key("own", "this example"), key("median", `median of ${className}`)));
}

/** A line with a gap where there was no look. */
function line(losses, x, y) {
  let pen = "M";
  return losses
    .map((loss, epoch) => {
      const step = loss === null ? "" : `${pen}${x(epoch).toFixed(1)} ${y(loss).toFixed(1)}`;
      pen = loss === null ? "M" : "L";
      return step;
    })
    .join("");
}
