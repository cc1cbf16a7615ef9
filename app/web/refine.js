// Facets, the filters chosen from them, and the chips that take them away again.

import {button, find, make} from "./dom.js";
import {formatNumber, knows, say} from "./strings.js";

const FIRST = 8; // values shown before one asks for more
const PATH = " > "; // between the levels of a category
const unfolded = new Set(); // fields of which all values are shown

/** What people call a field. */
export function nameOf(field) {
  const last = field.split(".").pop();
  const key = `field_${last}`;
  return knows(key) ? say(key) : last.replaceAll("_", " ");
}

/** The filter of a request, or undefined when nothing is chosen; `without` leaves one field out. */
export function filterOf({values, ranges}, without) {
  const parts = [];
  for (const [field, chosen] of Object.entries(values)) if (field !== without && chosen.length) parts.push({field, in: chosen});
  for (const [field, {from, to}] of Object.entries(ranges)) {
    if (field === without) continue;
    if (from !== null) parts.push({field, gte: from});
    if (to !== null) parts.push({field, lte: to});
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

/** Show what is chosen. `change(wanted)` is called with what shall be. */
export function showChips(wanted, change) {
  const chip = (field, text, rest) => make("li", {}, button(`${nameOf(field)}: ${text} ✕`, () => change(rest),
    {"aria-label": say("remove", {what: `${nameOf(field)}: ${text}`})}));
  const chips = [
    ...Object.entries(wanted.values).flatMap(([field, chosen]) => chosen.map((value) => chip(field, value, toggled(wanted, field, value)))),
    ...Object.entries(wanted.ranges).map(([field, range]) => chip(field, rangeText(range), ranged(wanted, field, null, null))),
  ];
  if (chips.length > 1) chips.push(make("li", {}, button(say("clear"), () => change(cleared(wanted)), {class: "plain"})));
  find("chips").replaceChildren(...chips);
  find("chips").hidden = !chips.length;
}

/** Show the facets of an answer, in the order of `fields`. */
export function showFacets(facets, fields, wanted, change) {
  const place = find("facets");
  const focused = place.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  const again = () => showFacets(facets, fields, wanted, change);
  place.replaceChildren(...fields.filter((field) => facets[field]?.length).map((field) =>
    "from" in facets[field][0] ? rangeFacet(field, facets[field], wanted, change) : valueFacet(field, facets[field], wanted, change, again)));
  if (focused) [...place.querySelectorAll("[data-key]")].find((element) => element.dataset.key === focused)?.focus();
}

function valueFacet(field, counted, wanted, change, again) {
  const chosen = wanted.values[field] ?? [];
  const missing = chosen.filter((value) => !counted.some((one) => String(one.value) === value)).map((value) => ({value, count: 0}));
  const shownPaths = (value) => { // a deeper level only below what is chosen
    const above = value.split(PATH).slice(0, -1).join(PATH);
    return !above || chosen.some((path) => path === above || path.startsWith(above + PATH));
  };
  const all = [...missing, ...counted].filter(({value}) => shownPaths(String(value)));
  const isPath = all.some(({value}) => String(value).includes(PATH));
  if (isPath) all.sort((one, other) => String(one.value).localeCompare(String(other.value)));
  const shown = isPath || unfolded.has(field) ? all : all.filter(({value}, place) => place < FIRST || chosen.includes(String(value)));
  const boxes = shown.map(({value, count}) => {
    const text = String(value), levels = text.split(PATH);
    const box = make("input", {type: "checkbox", checked: chosen.includes(text), "data-key": `${field}=${text}`,
      onchange: () => change(toggled(wanted, field, text))});
    const line = make("label", {class: "check"}, box, make("span", {class: "value", text: levels.at(-1)}),
      make("span", {class: "figure", text: formatNumber(count)}));
    if (levels.length > 1) line.style.setProperty("--depth", String(levels.length - 1));
    return line;
  });
  const rest = all.length - shown.length;
  const fold = !isPath && all.length > FIRST && (rest || unfolded.has(field)) ? button(rest ? say("more_values", {count: rest}) : say("fewer_values"), () => {
    if (!unfolded.delete(field)) unfolded.add(field);
    again();
  }, {class: "plain", "data-key": `${field} fold`, "aria-expanded": String(!rest)}) : null;
  return make("fieldset", {"data-field": field}, make("legend", {text: nameOf(field)}), ...boxes, fold);
}

function rangeFacet(field, buckets, wanted, change) {
  const now = wanted.ranges[field] ?? {from: null, to: null};
  const end = (which) => make("input", {type: "number", min: "0", step: "any", inputmode: "decimal", value: now[which], "data-key": `${field} ${which}`,
    placeholder: say(which), "aria-label": say(`${which}_of`, {field: nameOf(field)})});
  const from = end("from"), to = end("to");
  const numberOf = (input) => input.value.trim() === "" ? null : Number(input.value);
  const form = make("form", {class: "range", onsubmit: (event) => {
    event.preventDefault();
    change(ranged(wanted, field, numberOf(from), numberOf(to)));
  }}, from, to, make("button", {text: say("apply"), "data-key": `${field} apply`}));
  const lines = buckets.filter(({count}) => count).map((bucket) => {
    const isChosen = bucket.from === now.from && bucket.to === now.to;
    return button("", () => change(isChosen ? ranged(wanted, field, null, null) : ranged(wanted, field, bucket.from, bucket.to)),
      {class: "bucket", "aria-pressed": String(isChosen), "data-key": `${field} ${bucket.from}..${bucket.to}`});
  });
  buckets.filter(({count}) => count).forEach((bucket, place) => lines[place].append(
    make("span", {class: "value", text: rangeText(bucket)}), make("span", {class: "figure", text: formatNumber(bucket.count)})));
  return make("fieldset", {"data-field": field}, make("legend", {text: nameOf(field)}), form, ...lines);
}
