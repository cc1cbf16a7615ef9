// What the page knows of items: how their fields are shown, and the titles it has come across.

import {make} from "./dom.js";
import {ask} from "./service.js";
import {formatMoney, say} from "./strings.js";

const SHOWN = ["title", "name", "brand", "category", "price", "currency", "in_stock"];
const PICTURES = /image|img|photo|picture|thumb/i; // in the name of a column
const NO_PICTURES = /alt|text|position|width|height|count/i;
const PATH = /^[\w./%+~-]*\.(avif|gif|jpe?g|png|svg|webp)(\?[\w=&.%-]*)?$/i;
const MOST_PICTURES = 4; // columns that are looked into
const titles = new Map(); // item id -> title
let pictures = []; // columns of addresses of images

/** Learn which columns for `display` hold images. */
export function learnPictures(display) {
  pictures = display.filter((name) => PICTURES.test(name) && !NO_PICTURES.test(name)).slice(0, MOST_PICTURES);
}

/** The columns that a card needs, of those that the catalogue has. */
export const cardFields = (fields) => [...SHOWN.filter((field) => fields.includes(field)), ...pictures];

export const isPicture = (name) => pictures.includes(name);

/** An address that may be asked for: of the web, or a path of an image on this site. Nothing that runs, or is itself. */
export function safeAddress(value) {
  if (typeof value !== "string" || !(/^https?:|^\/\//i.test(value.trim()) || PATH.test(value.trim()))) return "";
  try {
    const address = new URL(value.trim(), document.baseURI);
    return ["http:", "https:"].includes(address.protocol) && !address.username && !address.password ? address.href : "";
  } catch {
    return "";
  }
}

/** The first image of an item: of a text, a list of them or of objects, or a text of several with commas. */
const imageOf = (fields) => pictures.flatMap((name) => fields?.[name] ?? [])
  .map((value) => value?.src ?? value?.url ?? value)
  .flatMap((value) => typeof value === "string" ? value.split(/,\s*(?=https?:|\/)/) : [])
  .map(safeAddress).find(Boolean) ?? "";

export function textOf(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "boolean") return say(value ? "yes" : "no");
  if (Array.isArray(value)) return value.map(textOf).join(", ");
  if (typeof value === "object") return Object.entries(value).map(([name, part]) => `${name}: ${textOf(part)}`).join(", ");
  return String(value);
}

/** Whether the shop says that it has none of it left; of an item of which nothing is said it has. */
export const isSoldOut = (fields) => fields?.in_stock === false;

export const titleOf = (id) => titles.get(id) ?? id;
export const priceOf = (fields) => typeof fields?.price === "number" ? formatMoney(fields.price, fields.currency) : "";

/** Brand and category, of whose path a card has room for the last part only. */
export function placeOf(fields, {whole = false} = {}) {
  const category = textOf(fields?.category);
  return [textOf(fields?.brand), whole ? category : category.split(">").pop().trim()].filter(Boolean).join(" · ");
}

/** Remember the titles of answered items. */
export function learn(items) {
  for (const item of items) {
    if (item.fields) titles.set(item.item_id, textOf(item.fields.title ?? item.fields.name) || item.item_id);
  }
}

/** Ask once for the titles of items that were never shown, such as those that reasons name. */
export async function learnTitles(ids, signal) {
  const unknown = [...new Set(ids)].filter((id) => id && !titles.has(id));
  await Promise.all(unknown.map(async (id) => {
    try {
      learn([(await ask(`items/${encodeURIComponent(id)}`, {signal})).answer]);
    } catch (error) {
      if (error.kind !== "missing") throw error;
      titles.set(id, id); // no longer in the catalogue
    }
  }));
}

/** The picture of an item: its image, or a generated one where there is none or it does not come. */
export function pictureOf(item) {
  const drawn = tile(item), src = imageOf(item.fields);
  if (!src) return drawn;
  const image = make("img", {class: "tile", alt: titleOf(item.item_id), loading: "lazy", decoding: "async",
    referrerpolicy: "no-referrer", onerror: () => image.replaceWith(drawn), src});
  return image;
}

/** A calm picture for an item without one: the colour tells the category, the letters are the title's. */
function tile(item) {
  const words = titleOf(item.item_id).split(/\s+/).filter((word) => /[\p{L}\p{N}]/u.test(word));
  const letters = words.slice(0, 2).map((word) => [...word][0]).join("");
  const picture = make("div", {class: "tile", "aria-hidden": "true", text: letters.toUpperCase()});
  const kind = textOf(item.fields?.category) || textOf(item.fields?.brand) || item.item_id;
  picture.style.setProperty("--hue", String(spread(kind)));
  picture.style.setProperty("--turn", `${90 * (spread(item.item_id) % 4)}deg`);
  return picture;
}

/** 0 to 359, the same for the same text. */
function spread(text) {
  let sum = 0;
  for (const letter of text) sum = (sum * 31 + letter.codePointAt(0)) % 360;
  return sum;
}
