// The shopkeeper's corner: a key, new items, hidden ones, and the calls that change items.

import {addressOfItem} from "./address.js";
import {button, find, make, showText} from "./dom.js";
import {learn, titleOf} from "./items.js";
import {ask, forgetAdminKey, hasAdminKey, keepAdminKey, ServiceError} from "./service.js";
import {randomId} from "./shopper.js";
import {say} from "./strings.js";

const PAGE = 1000; // changed items at a time
const MOST_PAGES = 5; // that are looked through for hidden ones
const MOST_SHOWN = 30; // of them

let known = new Set(); // fields that items of this catalogue can be shown with
let isOpen = false; // with a key that may change items, where one is needed
let hidden = []; // items: {item_id, fields}
let acts = {}; // `opened()` and `changed(key, item)`

export const isKeeping = () => isOpen;
export const knowsField = (name) => known.has(name);

const pathOf = (itemId) => `items/${encodeURIComponent(itemId)}`;

/** Change some fields of an item; null clears one. */
export const changeItem = (itemId, fields) => change(pathOf(itemId), {method: "PATCH", body: fields});
export const deleteItem = (itemId) => change(pathOf(itemId), {method: "DELETE"});

async function change(path, what) {
  const {answer} = await ask(path, {...what, admin: true});
  if (!answer.durable) find("corner-durable").hidden = false;
}

/** What went wrong, as one sentence. Where it is the key, it is asked for. */
export function sentenceOfTrouble(error) {
  if (!(error instanceof ServiceError)) throw error;
  if (isOfKey(error)) return askForKey(error);
  return [say(`trouble_${error.kind}`), error.message].filter(Boolean).join(" ");
}

const isOfKey = (error) => error.kind === "key" || error.code === "key_forbidden";

function askForKey(error) {
  const sentence = say(error.kind === "forbidden" ? "admin_key_weak" : hasAdminKey() ? "admin_key_wrong" : "admin_key_note");
  forgetAdminKey();
  find("corner-work").hidden = true;
  find("admin-key").hidden = false;
  find("admin-key-note").textContent = sentence;
  find("admin-key-text").focus();
  return sentence;
}

/** Open the corner, or what is left to open once the key is right. */
async function open() {
  find("corner").hidden = false;
  find("shopkeeper").setAttribute("aria-expanded", "true");
  showText(find("corner-trouble"), "");
  try {
    await findHidden();
  } catch (error) {
    const sentence = sentenceOfTrouble(error);
    if (!isOfKey(error)) showText(find("corner-trouble"), sentence);
    return;
  }
  find("admin-key").hidden = true;
  find("corner-work").hidden = false;
  isOpen = true;
  acts.opened();
}

function close() {
  isOpen = false;
  find("corner").hidden = find("corner-work").hidden = find("admin-key").hidden = true;
  find("shopkeeper").setAttribute("aria-expanded", "false");
  showText(find("corner-said"), "");
  acts.opened();
}

/** Look for items that are answered nowhere. Only who may change items may ask, so this tells whether one may. */
async function findHidden() {
  const found = [];
  let after = null;
  for (let page = 0; page < MOST_PAGES && (page === 0 || after !== null); page++) {
    const asked = new URLSearchParams({changed_since: "0", limit: String(PAGE), ...after === null ? {} : {after}});
    const {answer} = await ask(`items?${asked}`, {admin: true});
    found.push(...answer.items.filter((item) => item.hidden && !item.deleted));
    after = answer.next_after;
  }
  hidden = found.slice(0, MOST_SHOWN);
  learn(hidden);
  showHidden();
}

function showHidden() {
  find("hidden-items").hidden = !hidden.length;
  find("hidden-list").replaceChildren(...hidden.map((item) => make("li", {}, `${titleOf(item.item_id)} `,
    button(say("show_again"), () => showAgain(item), {"aria-label": say("show_again_of", {title: titleOf(item.item_id)})}))));
}

async function showAgain(item) {
  if (await tried(() => changeItem(item.item_id, {hidden: false}))) await done("show", item);
}

async function add(form) {
  const {title, category, brand, price, in_stock: inStock} = form.elements;
  const fields = {title: title.value.trim()};
  if (category.value.trim()) fields.category = category.value.trim();
  if (brand.value.trim()) fields.brand = brand.value.trim();
  if (price.value !== "") fields.price = Number(price.value);
  if (knowsField("in_stock")) fields.in_stock = inStock.checked;
  const item = {item_id: `item-${randomId(5)}`, fields};
  if (!await tried(() => change(pathOf(item.item_id), {method: "PUT", body: fields}))) return;
  learn([item]);
  form.reset();
  title.focus();
  await done("put", item);
}

/** Whether something could be done; what went wrong is said. */
async function tried(what) {
  showText(find("corner-trouble"), "");
  try {
    await what();
    return true;
  } catch (error) {
    const sentence = sentenceOfTrouble(error);
    if (!isOfKey(error)) showText(find("corner-trouble"), sentence);
    return false;
  }
}

async function done(key, item) {
  const said = find("corner-said");
  said.replaceChildren(`${say(`did_${key}`, {title: titleOf(item.item_id)})}. `,
    make("a", {href: addressOfItem(item.item_id), text: say("look_at_it")}));
  said.hidden = false;
  await Promise.all([tried(findHidden), acts.changed(key, item)]);
}

/** Something that an item's own buttons did: what is hidden may be others. */
export async function noteChange(key) {
  showText(find("corner-said"), "");
  if (key === "hide" || key === "delete") await tried(findHidden);
}

/** Offer values that items have, where a new one is typed. */
export function offerValues({category = [], brand = []}) {
  const options = (values) => values.map(({value}) => make("option", {value}));
  find("categories").replaceChildren(...options(category));
  find("brands").replaceChildren(...options(brand));
}

/** Say in another language what the corner says itself. */
export function translateCorner() {
  showText(find("corner-said"), "");
  showHidden();
}

/**
 * Have the control open and close the corner. `fields` are those that items can be shown with; `opened()` is called when
 * it opens or closes, and `changed(key, item)` when something was done in it.
 */
export function watchShopkeeper(fields, given) {
  known = new Set(fields);
  acts = given;
  find("add-item").elements.price.parentElement.hidden = !knowsField("price");
  find("add-item").elements.brand.parentElement.hidden = !knowsField("brand");
  find("add-item").elements.in_stock.parentElement.hidden = !knowsField("in_stock");
  find("shopkeeper").addEventListener("click", () => find("corner").hidden ? open() : close());
  find("admin-key").addEventListener("submit", (event) => {
    event.preventDefault();
    keepAdminKey(find("admin-key-text").value.trim());
    find("admin-key-text").value = "";
    open();
  });
  find("add-item").addEventListener("submit", (event) => {
    event.preventDefault();
    add(event.target);
  });
}
