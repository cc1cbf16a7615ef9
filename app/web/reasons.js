// Why an item was answered, as sentences with their shares.

import {make} from "./dom.js";
import {titleOf} from "./items.js";
import {formatNumber, say, sayName} from "./strings.js";

/** The sentence of one reason for an item. */
export function sentenceOf(reason, itemId) {
  if (reason.kind === "query_match") {
    return reason.terms?.length ? say("because_query", {terms: reason.terms}) : say("because_meaning");
  }
  if (reason.kind === "boost" && reason.weight < 0) return say("because_bury");
  if (reason.item_id === itemId) return sayName("again", reason.kind);
  return sayName("because", reason.kind, {title: titleOf(reason.item_id)});
}

/** The ids of items that reasons name. */
export const reasonItems = (items) => items.flatMap((item) => item.reasons ?? []).map((reason) => reason.item_id).filter(Boolean);

/** The one reason worth a line on a card: the weightiest that says something of this item. */
export function chiefReason(reasons) {
  const telling = (reasons ?? []).filter((reason) => reason.kind !== "base" && reason.weight > 0);
  return telling.sort((one, other) => other.weight - one.weight)[0] ?? null;
}

/** A list of all reasons for an item, each with its share of the score as a bar. */
export function reasonList({item_id: itemId, reasons}) {
  const whole = reasons.reduce((sum, reason) => sum + Math.abs(reason.weight), 0) || 1;
  const sorted = [...reasons].sort((one, other) => Math.abs(other.weight) - Math.abs(one.weight));
  return make("ul", {class: "reasons"}, ...sorted.map((reason) => {
    const share = reason.weight / whole;
    const part = make("span", {class: share < 0 ? "part against" : "part"});
    part.style.width = `${Math.max(2, Math.abs(share) * 100)}%`;
    const percent = `${formatNumber(share * 100)} %`;
    return make("li", {}, make("span", {class: "sentence", text: sentenceOf(reason, itemId)}),
      make("span", {class: "percent"}, make("span", {"aria-hidden": "true", text: percent}),
        make("span", {class: "unseen", text: say("share", {percent})})),
      make("span", {class: "bar", "aria-hidden": "true"}, part));
  }));
}
