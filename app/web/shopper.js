// Who is in the shop, and what they do: told to the service as events.

import {find, make} from "./dom.js";
import {ask} from "./service.js";
import {say} from "./strings.js";

const VISITOR = "aisle.visitor", USER = "aisle.user", ACTED = "aisle.acted";
const SAMPLE_VISITOR = "aisle.sample-visitor"; // one of the log, in place of this browser's own
const NEW = "new", OTHER = "other", USER_PREFIX = "user:", VISITOR_PREFIX = "visitor:";
const basket = new Set(); // items put into the basket on this page

/** Random hexadecimal digits; `crypto.randomUUID` is only there on https and on one's own machine. */
export function randomId(bytes) {
  return [...crypto.getRandomValues(new Uint8Array(bytes))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function visitorId() {
  if (!localStorage.getItem(VISITOR)) localStorage.setItem(VISITOR, `v-${randomId(6)}`);
  return localStorage.getItem(VISITOR);
}

export const userId = () => localStorage.getItem(USER) ?? "";

const sampleVisitor = () => localStorage.getItem(SAMPLE_VISITOR) ?? "";

/** The fields of a request that say who asks: a user and a visitor of one id are two. */
export const whoAsks = () => userId() ? {user_id: userId()} : {visitor_id: sampleVisitor() || visitorId()};

/** Whether the service may know anything of who asks. */
export const isKnown = () => Boolean(userId() || sampleVisitor() || localStorage.getItem(ACTED));

export const inBasket = (itemId) => basket.has(itemId);

/**
 * Tell that the shopper did something with an item.
 * `shown` is where they saw it: `{requestId, position, query}`, if in an answer.
 */
export async function tell(type, item, shown) {
  const event = {...whoAsks(), type, item_id: item.item_id, event_id: randomId(12)};
  if (shown) Object.assign(event, {request_id: shown.requestId, position: shown.position});
  if (shown?.query) event.query = shown.query;
  if (type !== "view") {
    event.quantity = 1;
    if (typeof item.fields?.price === "number") {
      event.price = item.fields.price;
      if (item.fields.currency) event.currency = item.fields.currency;
    }
  }
  await ask("events", {body: event});
  if (!userId() && !sampleVisitor()) localStorage.setItem(ACTED, "yes");
  if (type === "cart") basket.add(item.item_id);
  if (type === "purchase") basket.delete(item.item_id);
}

/** The menu of shoppers, in the chosen language: `users` and `visitors` are ids of the log. */
export function showShoppers({users, visitors}) {
  const user = userId(), visitor = sampleVisitor();
  const option = (value, text) => make("option", {value, text, selected: value === chosen});
  const chosen = user ? (users.includes(user) ? USER_PREFIX + user : OTHER) : visitor ? VISITOR_PREFIX + visitor : "";
  const shownVisitors = new Set(visitor ? [visitor, ...visitors] : visitors);
  const samples = [
    ...users.map((id) => option(USER_PREFIX + id, id)),
    ...[...shownVisitors].map((id) => option(VISITOR_PREFIX + id, say("visitor", {id})))];
  find("shopper").replaceChildren(
    option("", say("visitor", {id: visitorId().slice(2, 8)})),
    option(NEW, say("new_visitor")),
    make("optgroup", {label: say("sample_shoppers")}, ...samples),
    option(OTHER, say("other_shopper")));
  find("other-shopper").hidden = chosen !== OTHER;
  find("other-shopper").value = chosen === OTHER ? user : "";
}

/** Have the menu call `changed` when another shopper is chosen. */
export function watchShopper(samples, changed) {
  const keep = (name, id) => id ? localStorage.setItem(name, id) : localStorage.removeItem(name);
  const become = (user, visitor = "") => {
    keep(USER, user);
    keep(SAMPLE_VISITOR, visitor);
    basket.clear();
    showShoppers(samples);
    changed();
  };
  find("shopper").addEventListener("change", ({target: {value}}) => {
    if (value === OTHER) {
      find("other-shopper").hidden = false;
      find("other-shopper").focus();
      return;
    }
    if (value === NEW) {
      localStorage.removeItem(VISITOR);
      localStorage.removeItem(ACTED);
    }
    const idAfter = (prefix) => value.startsWith(prefix) ? value.slice(prefix.length) : "";
    become(idAfter(USER_PREFIX), idAfter(VISITOR_PREFIX));
  });
  find("other-shopper").addEventListener("change", ({target: {value}}) => become(value.trim()));
}
