// One item: its fields, why it was shown, what goes with it, and what is similar.

import {button, find, make} from "./dom.js";
import {Editor} from "./editor.js";
import {isPicture, isSoldOut, learn, learnTitles, pictureOf, placeOf, priceOf, safeAddress, textOf, titleOf} from "./items.js";
import {reasonItems, reasonList} from "./reasons.js";
import {nameOf} from "./refine.js";
import {Row} from "./row.js";
import {ask} from "./service.js";
import {isKeeping} from "./shopkeeper.js";
import {inBasket, whoAsks} from "./shopper.js";
import {say} from "./strings.js";
import {showTiming} from "./timing.js";

const BESIDE = 6; // items in each of the two rows
const IN_HEAD = new Set(["title", "name", "price", "currency", "description"]);

/** The view of one item. `acts`: `opening`, `add`, `buy` (item, shown), `changed` (key, item), and `back()`. */
export class Product {
  constructor(place, acts) {
    this.place = place;
    this.acts = acts;
    this.item = null;
    this.goesWith = new Row(make("ol", {class: "row small"}), acts);
    this.similar = new Row(make("ol", {class: "row small"}), acts);
    this.timing = make("section", {class: "timing", hidden: true});
    this.changed = make("p", {class: "changed", role: "status", "aria-live": "polite"});
  }

  /** Load an item and show it. `shown` is where it was seen, if it was: `{requestId, position, query, similarTo}`. */
  async open(itemId, shown, fields, signal) {
    this.shown = shown;
    this.fields = fields;
    this.signal = signal;
    this.item = null;
    this.goesWith.wait(BESIDE);
    this.similar.wait(BESIDE);
    this.timing.hidden = true;
    this.changed.textContent = "";
    this.editor = new Editor(this.acts.changed);
    await this.reload(itemId);
    if (shown?.item.reasons) await learnTitles(reasonItems([shown.item]), signal);
    this.translate();
    find("product-title").focus();
  }

  /** Load the item as it is now. */
  async reload(itemId = this.item.item_id) {
    this.item = (await ask(`items/${encodeURIComponent(itemId)}`, {signal: this.signal})).answer;
    learn([this.item]);
  }

  /** Load what is similar: the same for everybody. */
  async loadSimilar() {
    const {item, signal} = this;
    const asked = new URLSearchParams({k: String(BESIDE), fields: this.fields.join(",")});
    const {answer} = await ask(`items/${encodeURIComponent(item.item_id)}/similar?${asked}`, {signal});
    learn(answer.items);
    if (!signal.aborted) this.similar.show(answer.items, {requestId: answer.request_id, similarTo: item.item_id});
  }

  /** Load what goes with it for this shopper; `what` they did just now is said with what changed. */
  async loadGoesWith(options, what) {
    const {item, signal} = this;
    const body = {...whoAsks(), context: {item_ids: [item.item_id]}, k: BESIDE, fields: this.fields, ...options};
    const {answer, stages, tookMs} = await ask("recommend", {body, signal});
    learn(answer.items);
    await learnTitles(reasonItems(answer.items), signal);
    if (signal.aborted) return;
    const {fresh, moved} = this.goesWith.show(answer.items, {requestId: answer.request_id}, {marked: Boolean(what)});
    this.changed.textContent = what ? say(fresh || moved ? "changed" : "unchanged", {what, fresh, moved}) : "";
    this.took = {stages, tookMs};
    showTiming(this.timing, this.took);
  }

  /** Draw everything, in the chosen language. */
  translate() {
    if (!this.item) return;
    const {item, shown, acts} = this;
    const title = titleOf(item.item_id);
    const facts = Object.entries(item.fields).filter(([name, value]) =>
      !IN_HEAD.has(name) && !isPicture(name) && textOf(value) !== "");
    const isIn = inBasket(item.item_id), isOut = isSoldOut(item.fields);
    const focused = document.activeElement;
    this.editor.show(item);
    this.goesWith.translate();
    this.similar.translate();
    if (this.took) showTiming(this.timing, this.took);
    this.timing.setAttribute("aria-label", say("timing"));
    const part = (id, key, ...inside) =>
      make("section", {"aria-labelledby": id}, make("h3", {id, text: say(key)}), ...inside);
    const why = part("why-title", "why", whyOf(shown));
    why.className = "why-panel";
    this.place.replaceChildren(
      make("p", {}, button(`← ${say("back")}`, acts.back, {class: "plain", id: "back"})),
      make("div", {class: "one"}, pictureOf(item), make("div", {class: "facts"},
        make("h2", {id: "product-title", tabindex: "-1", text: title}),
        make("p", {class: "place", text: placeOf(item.fields, {whole: true})}),
        make("p", {class: "price", text: priceOf(item.fields)}),
        isOut ? make("p", {class: "stock", text: say("sold_out")}) : null,
        item.fields.description ? make("p", {text: textOf(item.fields.description)}) : null,
        make("p", {class: "acts"},
          button(say(isIn ? "added" : "add"), () => acts.add(item, shown),
            {class: "chief", id: "add", "aria-label": say("add_of", {title}), disabled: isOut}),
          button(say("buy"), () => acts.buy(item, shown), {id: "buy", "aria-label": say("buy_of", {title}), disabled: isOut})),
        isKeeping() ? this.editor.element : null,
        why)),
      part("goes-title", "goes_with", this.changed, this.goesWith.list, this.timing),
      part("similar-title", "similar", this.similar.list),
      part("details-title", "details", make("dl", {class: "details"},
        ...detailsOf("item_id", item.item_id), ...facts.flatMap(([name, value]) => detailsOf(name, value)))));
    if (this.editor.element.contains(focused)) focused.focus();
  }
}

function whyOf(shown) {
  if (!shown) return make("p", {text: say("why_unknown")});
  if (shown.similarTo) return make("p", {text: say("why_similar", {title: titleOf(shown.similarTo)})});
  const {reasons} = shown.item;
  return reasons?.length ? reasonList(shown.item) : make("p", {text: say(reasons ? "why_none" : "why_off")});
}

/** A line for each value; an object's parts, and those of a list of `name=value`, each have one of their own. */
function detailsOf(name, value) {
  const parts = Array.isArray(value) && value.every((part) => /^[^=]+=/.test(part))
    ? value.map((part) => [part.slice(0, part.indexOf("=")), part.slice(part.indexOf("=") + 1)])
    : value !== null && typeof value === "object" && !Array.isArray(value) ? Object.entries(value) : null;
  if (parts) return parts.flatMap(([part, inner]) => detailsOf(part, inner));
  const href = /^https?:/i.test(value) ? safeAddress(value) : "";
  const said = href ? make("a", {href, rel: "noreferrer", target: "_blank", text: value}) : textOf(value);
  return [make("div", {}, make("dt", {text: nameOf(name)}), make("dd", {}, said))];
}
