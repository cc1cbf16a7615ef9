// Who is in the shop, and what they do: told to the service as events.

import {find, make} from "./dom.js";
import {ask} from "./service.js";
import {say} from "./strings.js";

const VISITOR = "aisle.visitor", USER = "aisle.user", ACTED = "aisle.acted";
const NEW = "new", OTHER = "other", USER_PREFIX = "user:";
const basket = new Set(); // items put into the basket on this page

/** Random hexadecimal digits; `crypto.randomUUID` is only there on https and on one's own machine. */
function randomId(bytes) {
  return [...crypto.getRandomValues(new Uint8Array(bytes))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function visitorId() {
  if (!localStorage.getItem(VISITOR)) localStorage.setItem(VISITOR, `v-${randomId(6)}`);
  return localStorage.getItem(VISITOR);
}

export const userId = () => localStorage.getItem(USER) ?? "";

/** The fields of a request that say who asks. */
export const whoAsks = () => userId() ? {user_id: userId()} : {visitor_id: visitorId()};

/** Whether the service may know anything of who asks. */
export const isKnown = () => Boolean(userId()) || Boolean(localStorage.getItem(ACTED));

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
    if (typeof item.fields?.price === "number") event.price = item.fields.price;
  }
  await ask("events", {body: event});
  if (!userId()) localStorage.setItem(ACTED, "yes");
  if (type === "cart") basket.add(item.item_id);
  if (type === "purchase") basket.delete(item.item_id);
}

/** The menu of shoppers, in the chosen language. */
export function showShoppers(samples) {
  const user = userId();
  const known = samples.includes(user);
  const option = (value, text) => make("option", {value, text, selected: value === chosen});
  const chosen = !user ? "" : known ? USER_PREFIX + user : OTHER;
  find("shopper").replaceChildren(
    option("", say("visitor", {id: visitorId().slice(2, 8)})),
    option(NEW, say("new_visitor")),
    make("optgroup", {label: say("sample_shoppers")}, ...samples.map((sample) => option(USER_PREFIX + sample, sample))),
    option(OTHER, say("other_shopper")));
  find("other-shopper").hidden = chosen !== OTHER;
  find("other-shopper").value = chosen === OTHER ? user : "";
}

/** Have the menu call `changed` when another shopper is chosen. */
export function watchShopper(samples, changed) {
  const become = (user) => {
    if (user) localStorage.setItem(USER, user);
    else localStorage.removeItem(USER);
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
    become(value.startsWith(USER_PREFIX) ? value.slice(USER_PREFIX.length) : "");
  });
  find("other-shopper").addEventListener("change", ({target: {value}}) => become(value.trim()));
}
