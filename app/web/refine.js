// Facets, the filters chosen from them, and the chips that take them away again.

import {button, find, make} from "./dom.js";
import {formatNumber, say, sayName} from "./strings.js";

const FIRST = 8; // values shown before one asks for more
const PATH = " > "; // between the levels of a category
const unfolded = new Set(); // fields of which all values are shown

/** What people call a field. */
export function nameOf(field) {
  const plain = field.replace(/\s*\([\w-]+(\.[\w-]+)+\)\s*$/, ""); // a shop system's own name behind that for people
  return sayName("field", plain.split(".").pop()).replaceAll("_", " ");
}

/** The filter of a request, or undefined when nothing is chosen; `without` leaves one field out. */
export function filterOf({values, ranges}, kinds, without) {
  const parts = [];
  const typed = (field, chosen) => kinds[field] === "boolean" ? chosen.map((value) => value === "true") : chosen;
  for (const [field, chosen] of Object.entries(values)) if (field !== without) parts.push({field, in: typed(field, chosen)});
  for (const [field, {from, to}] of Object.entries(ranges)) {
    if (field !== without) parts.push({field, ...from === null ? {} : {gte: from}, ...to === null ? {} : {lte: to}});
  }
  return parts.length ? {all: parts} : undefined;
}

/** Fields of which something is chosen: their counts are asked for without their own choice. */
export const chosenFields = ({values, ranges}) => [...Object.keys(values), ...Object.keys(ranges)];

/** `wanted` with a value of a field chosen, or no longer chosen. */
export function toggled(wanted, field, value) {
  const now = wanted.values[field] ?? [];
  const chosen = now.includes(value) ? now.filter((other) => other !== value) : [...now, value];
  const values = {...wanted.values, [field]: chosen};
  if (!chosen.length) delete values[field];
  return {...wanted, values};
}

/** `wanted` with a range of a field; none when both ends are null. */
export function ranged(wanted, field, from, to) {
  const ranges = {...wanted.ranges, [field]: {from, to}};
  if (from === null && to === null) delete ranges[field];
  return {...wanted, ranges};
}

export const cleared = (wanted) => ({...wanted, values: {}, ranges: {}});

function rangeText({from, to}) {
  const ends = {from: from === null ? "" : formatNumber(from), to: to === null ? "" : formatNumber(to)};
  return say(from === null ? "range_to" : to === null ? "range_from" : "range", ends);
}

/** A chosen or counted value as people read it. */
const valueText = (value, kind) => kind === "boolean" ? say(String(value) === "true" ? "yes" : "no") : String(value);

/** Show what is chosen. `change(wanted)` is called with what shall be. */
export function showChips(wanted, kinds, change) {
  const chip = (field, text, rest) => make("li", {}, button(`${nameOf(field)}: ${text} ✕`, () => change(rest),
    {"aria-label": say("remove", {what: `${nameOf(field)}: ${text}`})}));
  const chips = [
    ...Object.entries(wanted.values).flatMap(([field, chosen]) =>
      chosen.map((value) => chip(field, valueText(value, kinds[field]), toggled(wanted, field, value)))),
    ...Object.entries(wanted.ranges).map(([field, range]) =>
      chip(field, rangeText(range), ranged(wanted, field, null, null))),
  ];
  if (chips.length > 1) chips.push(make("li", {}, button(say("clear"), () => change(cleared(wanted)), {class: "plain"})));
  find("chips").replaceChildren(...chips);
  find("chips").hidden = !chips.length;
}

/** Show the facets of an answer, in the order of `kinds`: what each field holds, by field. */
export function showFacets(facets, kinds, wanted, change) {
  const place = find("facets");
  const focused = place.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  const again = () => showFacets(facets, kinds, wanted, change);
  const facetOf = ([field, kind]) => {
    const counted = facets[field] ?? [];
    const lines = kind === "number" ? [rangeForm(field, counted[0], wanted, change)]
      : valueLines(field, kind, counted, wanted, change, again);
    return make("fieldset", {"data-field": field}, make("legend", {text: nameOf(field)}), ...lines);
  };
  const isThere = ([field]) => facets[field]?.length || wanted.values[field] || wanted.ranges[field];
  place.replaceChildren(...Object.entries(kinds).filter(isThere).map(facetOf));
  if (focused) [...place.querySelectorAll("[data-key]")].find((element) => element.dataset.key === focused)?.focus();
}

/** A box for each value. Of paths, a deeper level is shown only below one that is chosen. */
function valueLines(field, kind, counted, wanted, change, again) {
  const chosen = wanted.values[field] ?? [];
  const lines = counted.map(({value, count}) => ({text: String(value), count}));
  lines.push(...chosen.filter((text) => !lines.some((line) => line.text === text)).map((text) => ({text, count: 0})));
  const isChosenBelow = (path) => chosen.some((one) => one === path || one.startsWith(path + PATH));
  const open = lines.filter(({text}) => {
    const above = text.split(PATH).slice(0, -1).join(PATH);
    return !above || isChosenBelow(above);
  });
  const isPath = lines.some(({text}) => text.includes(PATH));
  if (isPath) open.sort(byPath(new Map(lines.map(({text, count}) => [text, count]))));
  const isFirst = ({text}, place) => place < FIRST || chosen.includes(text) || (isPath && isChosenBelow(text.split(PATH)[0]));
  const shown = unfolded.has(field) ? open : open.filter(isFirst);
  const boxes = shown.map(({text, count}) => {
    const levels = text.split(PATH);
    const box = make("input", {type: "checkbox", checked: chosen.includes(text), "data-key": `${field}=${text}`,
      onchange: () => change(toggled(wanted, field, text))});
    const line = make("label", {class: "check"}, box, make("span", {class: "value", text: valueText(levels.at(-1), kind)}),
      make("span", {class: "figure", text: formatNumber(count)}));
    line.style.setProperty("--depth", String(levels.length - 1));
    return line;
  });
  const rest = open.length - shown.length;
  if (!rest && !unfolded.has(field)) return boxes;
  const fold = () => {
    if (!unfolded.delete(field)) unfolded.add(field);
    again();
  };
  const words = rest ? say("more_values", {count: rest}) : say("fewer_values");
  return [...boxes, button(words, fold, {class: "plain", "data-key": `${field} fold`, "aria-expanded": String(!rest)})];
}

/** An order in which each level follows the one that it belongs to, and the most frequent stands first. */
const byPath = (counts) => (one, other) => {
  const ones = one.text.split(PATH), others = other.text.split(PATH);
  for (let depth = 1; depth <= Math.min(ones.length, others.length); depth++) {
    const [here, there] = [ones, others].map((levels) => levels.slice(0, depth).join(PATH));
    if (here !== there) return (counts.get(there) ?? 0) - (counts.get(here) ?? 0) || here.localeCompare(there);
  }
  return ones.length - others.length;
};

/** Two ends; those of what is there now stand in the empty fields. */
function rangeForm(field, there, wanted, change) {
  const now = wanted.ranges[field] ?? {from: null, to: null};
  const end = (which, round) => make("input", {
    type: "number", step: "any", inputmode: "decimal", value: now[which], "data-key": `${field} ${which}`,
    placeholder: there ? String(round(there[which])) : say(which), "aria-label": say(`${which}_of`, {field: nameOf(field)}),
  });
  const from = end("from", Math.floor), to = end("to", Math.ceil);
  const numberOf = (input) => input.value.trim() === "" ? null : Number(input.value);
  const onsubmit = (event) => {
    event.preventDefault();
    change(ranged(wanted, field, numberOf(from), numberOf(to)));
  };
  const apply = make("button", {text: say("apply"), "data-key": `${field} apply`});
  return make("form", {class: "range", onsubmit}, from, make("span", {"aria-hidden": "true", text: "–"}), to, apply);
}
