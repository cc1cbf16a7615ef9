// How long an answer took, stage by stage.

import {make} from "./dom.js";
import {formatNumber, say, sayName} from "./strings.js";

/** Fill `panel` with a stacked bar and its figures. */
export function showTiming(panel, {stages, tookMs}) {
  const total = (stages.find(([name]) => name === "total") ?? ["total", 0])[1];
  const parts = stages.filter(([name]) => name !== "total");
  const bar = make("div", {class: "stack", "aria-hidden": "true"});
  const figures = make("dl");
  parts.forEach(([name, ms], index) => {
    const colour = `var(--stage-${index % 9})`;
    const part = make("span");
    part.style.width = `${100 * ms / Math.max(total, 1e-6)}%`;
    part.style.background = colour;
    bar.append(part);
    const mark = make("i", {"aria-hidden": "true"});
    mark.style.background = colour;
    const [term, figure] = [make("dt", {text: sayName("stage", name)}), make("dd", {text: formatNumber(ms, 2)})];
    figures.append(make("div", {}, mark, term, figure));
  });
  const took = say("took", {service: formatNumber(total, 1), whole: formatNumber(tookMs, 0)});
  panel.replaceChildren(make("p", {text: took}), bar, figures);
  panel.hidden = false;
}
