// The storefront: what the address asks for is asked of the service and shown.

import {addressOfItem, addressOfList, readAddress} from "./address.js";
import {button, find, make, showText} from "./dom.js";
import {cardFields, learn, learnPictures, learnTitles, titleOf} from "./items.js";
import {Product} from "./product.js";
import {reasonItems} from "./reasons.js";
import {chosenFields, cleared, filterOf, showChips, showFacets} from "./refine.js";
import {Row} from "./row.js";
import {watchSearch} from "./search_box.js";
import {ask} from "./service.js";
import {noteChange, offerValues, translateCorner, watchShopkeeper} from "./shopkeeper.js";
import {isKnown, showShoppers, tell, userId, watchShopper, whoAsks} from "./shopper.js";
import {chooseLanguage, formatNumber, say, sayName, translate} from "./strings.js";
import {showTiming} from "./timing.js";
import {clearTrouble, hasTrouble, showTrouble, translateTrouble} from "./trouble.js";

const PAGE = 24; // items at a time
const MOST = 200; // that the service answers at once
const SORTS = ["relevance", "price_asc", "price_desc", "newest"];
const WIDE = matchMedia("(min-width: 60rem)");

let demo = {users: [], visitors: [], fields: [], facets: {}, kinds: {}, objectives: [], behaviours: []}; // of /demo/users; what each of the facets holds, and of `kinds` the fields of filters
let wanted = readAddress("#/"); // the list that is shown, or lies behind the item that is
let last = null; // its answer: {body, query, answer, facets, stages, tookMs}
let done = null; // what the shopper did since: {key, itemId}
let asking = new AbortController(), opening = new AbortController();
let scrolled = 0; // where the list was left

const seen = new Map(); // item id -> where it was shown when it was opened
const acts = {
  opening: (item, shown) => seen.set(item.item_id, {...shown, item}),
  add: (item, shown) => act("cart", item, shown),
  buy: (item, shown) => act("purchase", item, shown),
  changed: async (key, item) => {
    await Promise.all([noteChange(key), showChange(key, item)]);
  },
  back: () => history.state?.from === "list" ? history.back() : go(addressOfList(wanted)),
};
const row = new Row(find("row"), acts);
const popular = new Row(find("popular"), acts); // beside a search that finds nothing
const product = new Product(find("product"), acts);
const options = () => ({
  explain: find("explain").checked,
  ...Number(find("diversity").value) ? {diversity: Number(find("diversity").value)} : {},
  ...find("objective").value ? {objective: find("objective").value} : {},
});

/** Ask for the list anew. With `what` (something that happened), the same items stay and say how they moved. */
async function load(what) {
  asking.abort();
  const {signal} = asking = new AbortController();
  find("results").setAttribute("aria-busy", "true");
  showChips(wanted, demo.kinds, change); // at once, and however the answer turns out
  try {
    const {query, exact, sort} = wanted;
    const fields = cardFields(demo.fields);
    const body = {...whoAsks(), ...options(), k: what ? Math.min(MOST, Math.max(PAGE, row.length)) : PAGE, fields};
    if (query) body.query = query;
    if (query && exact) body.exact = true; // the shopper wants what was typed
    if (sort !== SORTS[0]) {
      body.sort = sort;
      delete body.diversity; // these two are about relevance
      delete body.objective;
    }
    const filter = filterOf(wanted, demo.kinds);
    if (filter) body.filter = filter;
    body.facets = Object.keys(demo.facets);
    const own = chosenFields(wanted).filter((field) => field in demo.facets);
    const [whole, ...others] = await Promise.all([
      ask("recommend", {body, signal}),
      ...own.map((field) => ask("recommend", {body: facetBody(body, field), signal})),
    ]);
    const facets = {...whole.answer.facets};
    own.forEach((field, place) => { facets[field] = others[place].answer.facets[field]; });
    const beside = whole.answer.popular_items ?? [];
    learn([...whole.answer.items, ...beside]);
    await learnTitles(reasonItems(whole.answer.items), signal);
    if (signal.aborted) return;
    done = null;
    last = {...whole, body, facets, query};
    const {answer} = last;
    const {fresh, moved} = row.show(answer.items, {requestId: answer.request_id, query}, {marked: Boolean(what)});
    popular.show(beside, {});
    find("changed").textContent = what ? say(fresh || moved ? "changed" : "unchanged", {what, fresh, moved}) : "";
    clearTrouble();
    showList();
  } catch (error) {
    if (error.name !== "AbortError") row.length || row.list.replaceChildren();
    showTrouble(error, () => load(what));
  } finally {
    if (!signal.aborted) find("results").setAttribute("aria-busy", "false");
  }
}

/** The counts of a field are those of the items that pass all other filters, so that a second value can be chosen. */
function facetBody(body, field) {
  const {fields: _, filter: __, ...rest} = body;
  const filter = filterOf(wanted, demo.kinds, field);
  return {...rest, ...filter ? {filter} : {}, k: 1, facets: [field], explain: false};
}

/** Further items, behind those that are there. */
async function loadMore() {
  const {signal} = asking;
  const before = last;
  find("more").disabled = true;
  try {
    const body = {...before.body, k: PAGE, cursor: before.answer.next_cursor};
    delete body.facets;
    const {answer, stages, tookMs} = await ask("recommend", {body, signal});
    learn(answer.items);
    await learnTitles(reasonItems(answer.items), signal);
    if (signal.aborted || last !== before) return;
    const first = answer.items.find((item) => !row.has(item.item_id));
    row.append(answer.items.filter((item) => !row.has(item.item_id)), {requestId: answer.request_id, query: before.query});
    last = {...before, stages, tookMs, answer: {...before.answer, next_cursor: answer.next_cursor}};
    clearTrouble();
    showList();
    if (first) row.linkOf(first.item_id).focus({preventScroll: true});
  } catch (error) {
    showTrouble(error, error.kind === "refused" ? () => load() : loadMore); // the list may be kept no longer
  } finally {
    find("more").disabled = false;
  }
}

/** Everything around the row, in the chosen language. */
function showList() {
  showMenus();
  const {in_stock: stock = []} = wanted.values;
  find("in-stock-label").hidden = !demo.fields.includes("in_stock");
  find("in-stock").checked = stock.length === 1 && stock[0] === "true";
  if (!last) return;
  const {answer, facets, query} = last;
  find("heading").textContent = query ? say("results_for", {query}) : !isKnown() ? say(demo.behaviours.length ? "popular" : "all_items")
    : userId() ? say("for_shopper", {shopper: userId()}) : say("for_you");
  const total = Math.max(answer.total, row.length);
  find("count").textContent = say("total", {shown: formatNumber(row.length), total: formatNumber(total)});
  showText(find("searched"), [answer.corrected_query && say("corrected", {corrected: answer.corrected_query, query}),
    answer.dropped_words.length > 0 && say("dropped", {words: answer.dropped_words.join(", ")}),
    ["meaning", "nothing"].includes(answer.matched_by) && say(`by_${answer.matched_by}`)].filter(Boolean).join(" "));
  if (answer.corrected_query) {
    find("searched").append(" ", button(say("exact", {query}), () => change({...wanted, exact: true})));
  }
  const lacks = answer.degraded.map((one) => sayName("lack", one));
  showText(find("lacks"), lacks.length ? say("lacks", {what: lacks.join(", ")}) : "");
  showFacets(facets, demo.facets, wanted, change);
  offerValues(facets);
  find("refine-fold").hidden = !Object.keys(demo.facets).length;
  showTiming(find("timing"), last);
  find("none").hidden = row.length > 0;
  const isFiltered = chosenFields(wanted).length > 0;
  find("none").replaceChildren(say(isFiltered ? "none" : "none_at_all"),
    ...isFiltered ? [" ", button(say("clear"), () => change(cleared(wanted)))] : [],
    ...(answer.similar_queries ?? []).flatMap((text) => [" ", button(say("search_for", {query: text}), () => change({...cleared(wanted), query: text, exact: false}))]));
  find("beside").hidden = !popular.length;
  find("more").hidden = !answer.next_cursor;
  find("version").textContent = say("version", {dataset: demo.dataset, version: answer.model_version});
}

function showMenus() {
  const option = (chosen) => ([value, text]) => make("option", {value, text, selected: value === chosen});
  find("sort").replaceChildren(...SORTS.map((sort) => [sort, say(`sort_${sort}`)]).map(option(wanted.sort)));
  const objectives = [["", say("objective_usual")], ...demo.objectives.map((one) => [one, sayName("objective", one)])];
  find("objective").replaceChildren(...objectives.map(option(find("objective").value)));
  find("objective").disabled = !demo.objectives.length || wanted.sort !== SORTS[0];
  find("diversity").disabled = wanted.sort !== SORTS[0];
  find("diversity-value").textContent = formatNumber(Number(find("diversity").value), 1);
}

/** Tell what the shopper did, and show what that changes. */
async function act(type, item, shown) {
  try {
    await tell(type, item, shown);
  } catch (error) {
    showTrouble(error, () => act(type, item, shown));
    return;
  }
  done = {key: `did_${type}`, itemId: item.item_id};
  const what = say(done.key, {title: titleOf(item.item_id)});
  if (find("product").hidden) {
    await load(what);
    return;
  }
  const focused = document.activeElement?.id;
  product.translate();
  if (focused) find(focused)?.focus();
  await goesWith(type === "view" ? "" : what);
}

/** Show what the shopkeeper did with an item. */
async function showChange(key, item) {
  done = {key: `did_${key}`, itemId: item.item_id};
  const what = say(done.key, {title: titleOf(item.item_id)});
  if (find("product").hidden) {
    await load(what);
    return;
  }
  if (item.item_id === product.item?.item_id) {
    if (key === "hide" || key === "delete") {
      acts.back();
      return;
    }
    try {
      await product.reload();
      product.translate();
    } catch (error) {
      showTrouble(error, () => showChange(key, item));
      return;
    }
  }
  if (product.item) await Promise.all([product.loadSimilar(), goesWith(what)]);
}

async function goesWith(what) {
  try {
    await product.loadGoesWith(options(), what);
  } catch (error) {
    showTrouble(error, () => goesWith(what));
  }
}

async function openItem(itemId) {
  opening.abort();
  const {signal} = opening = new AbortController();
  const shown = seen.get(itemId);
  try {
    await product.open(itemId, shown, cardFields(demo.fields), signal);
    clearTrouble();
    document.title = titleOf(itemId);
    await Promise.all([product.loadSimilar(), act("view", product.item, shown)]);
  } catch (error) {
    showTrouble(error, () => openItem(itemId));
  }
}

/** Go to an address within the page. */
function go(address, {replace = false} = {}) {
  if (replace) history.replaceState(history.state, "", address);
  else location.hash = address;
}

/** Show the list with these filters. */
function change(next) {
  go(addressOfList(next));
}

/** Show what the address asks for. */
async function route() {
  const next = readAddress(location.hash);
  const wasItem = !find("product").hidden;
  if (next.itemId !== undefined) {
    if (!wasItem) {
      scrolled = scrollY;
      if (last) history.replaceState({from: "list"}, "");
    }
    show("product");
    scrollTo(0, 0);
    await openItem(next.itemId);
    return;
  }
  opening.abort();
  const isSame = last && addressOfList(next) === addressOfList(wanted);
  wanted = next;
  show("shelves");
  document.title = say("title", {dataset: demo.dataset});
  if (document.activeElement !== find("query")) find("query").value = wanted.query;
  if (isSame && wasItem) {
    scrollTo(0, scrolled);
    row.linkOf(product.item?.item_id)?.focus({preventScroll: true});
    if (done) await load(say(done.key, {title: titleOf(done.itemId)}));
    return;
  }
  if (wasItem) scrollTo(0, 0);
  await load();
}

function show(view) {
  find("product").hidden = view !== "product";
  find("shelves").hidden = view !== "shelves";
}

function search(text, isFinal) {
  if (text === wanted.query && find("product").hidden) return;
  const address = addressOfList({...wanted, query: text, exact: false});
  if (isFinal || !find("product").hidden) go(address);
  else {
    go(address, {replace: true});
    route();
  }
}

function speak() {
  translate(document);
  showShoppers(demo);
  showChips(wanted, demo.kinds, change);
  showList();
  row.translate();
  popular.translate();
  product.translate();
  translateCorner();
  translateTrouble();
}

/** Let items have what a shopkeeper does with them, or no longer. */
function showEditors() {
  row.translate();
  popular.translate();
  product.translate();
}

async function start() {
  try {
    const {answer} = await ask("demo/users");
    learnPictures(answer.display);
    const facets = Object.fromEntries(answer.facets.map(({field, kind}) => [field, kind]));
    demo = {...answer, facets, kinds: answer.fields.includes("in_stock") ? {...facets, in_stock: "boolean"} : facets};
  } catch (error) {
    row.list.replaceChildren();
    showTrouble(error, start);
    return;
  }
  speak();
  watchShopper(demo, () => find("product").hidden ? load(say("now_shopper")) : act("view", product.item));
  watchShopkeeper(demo.fields, {opened: showEditors, changed: showChange});
  addEventListener("hashchange", route);
  await route();
}

find("refine-fold").open = WIDE.matches;
find("skip").addEventListener("click", (event) => {
  event.preventDefault();
  find(find("product").hidden ? "results" : "product").focus();
});
find("home").addEventListener("click", () => { find("query").value = ""; });
find("sort").addEventListener("change", ({target}) => change({...wanted, sort: target.value}));
find("in-stock").addEventListener("change", ({target}) => {
  const {in_stock: _, ...values} = wanted.values;
  change({...wanted, values: target.checked ? {...values, in_stock: ["true"]} : values});
});
find("more").addEventListener("click", loadMore);
for (const id of ["diversity", "objective", "explain"]) {
  find(id).addEventListener("change", () => load(say(id)));
}
find("diversity").addEventListener("input", showMenus);
for (const choice of document.querySelectorAll("[data-language]")) {
  choice.addEventListener("click", () => {
    chooseLanguage(choice.dataset.language);
    speak();
  });
}
watchSearch({
  typed: (text) => search(text, false),
  sent: (text) => search(text, true),
  opened: (itemId) => go(addressOfItem(itemId)),
  failed: (error) => {
    if (hasTrouble()) return; // the search tells the same
    showTrouble(error, () => find("query").dispatchEvent(new Event("input")));
  },
});
translate(document);
row.wait(PAGE / 2);
start();
