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

function signedSentenceOf(reason, itemId) {
  const sentence = sentenceOf(reason, itemId);
  return reason.weight < 0 && reason.kind !== "base" && reason.kind !== "boost" ? say("against", {sentence}) : sentence;
}

/** The ids of items that reasons name. */
export const reasonItems = (items) => items.flatMap((item) => item.reasons ?? []).map((reason) => reason.item_id).filter(Boolean);

/** The one reason worth a line on a card: the weightiest that says something of this item. */
export function chiefReason(reasons) {
  const telling = (reasons ?? []).filter((reason) => reason.kind !== "base" && reason.weight > 0);
  return telling.sort((one, other) => other.weight - one.weight)[0] ?? null;
}

const FEW = 6; // reasons that get a line each
const LITTLE = 0.005; // share of the score below which a reason gets none

/** The weightiest reasons for an item, each with its share of the score as a bar; the others in one line. */
export function reasonList({item_id: itemId, reasons}) {
  const whole = reasons.reduce((sum, reason) => sum + Math.abs(reason.weight), 0) || 1;
  const base = reasons.filter((reason) => reason.kind === "base");
  const pins = reasons.filter((reason) => reason.kind === "pin"); // they give a place and no score
  const sorted = reasons.filter((reason) => reason.kind !== "base" && reason.kind !== "pin")
    .sort((one, other) => Math.abs(other.weight) - Math.abs(one.weight));
  const told = sorted.filter((reason, place) => place < FEW && Math.abs(reason.weight) / whole >= LITTLE);
  const others = sorted.slice(told.length);
  const together = others.reduce((sum, reason) => sum + reason.weight, 0);
  return make("ul", {class: "reasons"},
    ...pins.map((reason) => lineOf(sentenceOf(reason, itemId), reason.weight / whole)),
    ...told.map((reason) => lineOf(signedSentenceOf(reason, itemId), reason.weight / whole)),
    others.length ? lineOf(say("because_others", {count: others.length}), together / whole) : null,
    ...base.map((reason) => lineOf(sentenceOf(reason, itemId), reason.weight / whole)));
}

function lineOf(sentence, share) {
  const part = make("span", {class: share < 0 ? "part against" : "part"});
  part.style.width = `${Math.max(1, Math.abs(share) * 100)}%`;
  const percent = `${formatNumber(Math.round(share * 100) || 0)} %`;
  return make("li", {}, make("span", {class: "sentence", text: sentence}),
    make("span", {class: "percent"}, make("span", {"aria-hidden": "true", text: percent}),
      make("span", {class: "unseen", text: say("share", {percent})})),
    make("span", {class: "bar", "aria-hidden": "true"}, part));
}
