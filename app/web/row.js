// A row of cards that re-ranks before one's eyes: each card moves from where it was to where it belongs now.

import {addressOfItem} from "./address.js";
import {button, make, movesLittle} from "./dom.js";
import {Editor} from "./editor.js";
import {isSoldOut, pictureOf, placeOf, priceOf, titleOf} from "./items.js";
import {chiefReason, sentenceOf} from "./reasons.js";
import {isKeeping} from "./shopkeeper.js";
import {inBasket} from "./shopper.js";
import {say} from "./strings.js";

const MOVE_MS = 450;
const EASING = "cubic-bezier(.2, .7, .2, 1)"; // quick at first

/** One card; its elements stay the same while its item is shown, so that the keyboard's focus stays, too. */
class Card {
  constructor(item, acts) {
    this.item = item;
    this.link = make("a", {href: addressOfItem(item.item_id), onclick: () => acts.opening(this.item, this.shown)});
    this.place = make("p", {class: "place"});
    this.price = make("p", {class: "price"});
    this.stock = make("p", {class: "stock"});
    this.why = make("p", {class: "why"});
    this.badge = make("span", {class: "badge"});
    this.add = button("", () => acts.add(this.item, this.shown));
    this.editor = new Editor(acts.changed);
    this.element = make("li", {class: "card"}, pictureOf(item), this.badge,
      make("div", {class: "about"}, make("h3", {}, this.link), this.place, this.price, this.stock, this.why), this.add);
  }

  /** Show the item as it was answered now. `shown` says where: `{requestId, position, query, similarTo}`. */
  show(item, shown) {
    this.item = item;
    this.shown = shown;
    this.translate();
  }

  translate() {
    const title = titleOf(this.item.item_id);
    const reason = chiefReason(this.item.reasons);
    const isOut = isSoldOut(this.item.fields);
    this.link.textContent = title;
    this.place.textContent = placeOf(this.item.fields);
    this.price.textContent = priceOf(this.item.fields);
    this.why.textContent = reason ? sentenceOf(reason, this.item.item_id) : "";
    this.stock.textContent = isOut ? say("sold_out") : "";
    this.add.textContent = say(isOut ? "sold_out" : inBasket(this.item.item_id) ? "added" : "add");
    this.add.setAttribute("aria-label", say(isOut ? "sold_out_of" : "add_of", {title}));
    this.add.disabled = isOut;
    this.element.classList.toggle("sold-out", isOut);
    this.element.classList.toggle("taken", !isOut && inBasket(this.item.item_id));
    this.editor.show(this.item);
    if (!isKeeping()) this.editor.element.remove();
    else if (!this.editor.element.parentElement) this.element.append(this.editor.element);
  }

  /** Mark how many places it went up (down when negative), or that it is new; nothing when `places` is 0. */
  mark(places) {
    const [sign, words] = places === null ? [say("fresh"), ""]
      : places > 0 ? [`▲ ${places}`, say("rose", {places})] : [`▼ ${-places}`, say("fell", {places: -places})];
    this.badge.className = places === null ? "badge fresh" : places > 0 ? "badge rose" : "badge fell";
    this.badge.replaceChildren(...places === 0 ? [] : !words ? [sign]
      : [make("span", {"aria-hidden": "true", text: sign}), make("span", {class: "unseen", text: words})]);
  }
}

/** The cards of one list. `acts` has `opening(item, shown)`, `add(item, shown)` and `changed(key, item)`. */
export class Row {
  constructor(list, acts) {
    this.list = list;
    this.acts = acts;
    this.cards = new Map(); // by item id, in order
  }

  get length() {
    return this.cards.size;
  }

  has(itemId) {
    return this.cards.has(itemId);
  }

  /** Grey shapes until there is something. */
  wait(count) {
    this.cards.clear();
    const shape = () => make("li", {class: "card skeleton", "aria-hidden": "true"},
      make("div", {class: "tile"}), make("div", {class: "about"}, make("span"), make("span"), make("span")));
    this.list.replaceChildren(...Array.from({length: count}, shape));
  }

  /**
   * Show these items instead. With `marked`, each card says how far it moved.
   * Gives how many are new, and how many moved to another place.
   */
  show(items, shown, {marked = false} = {}) {
    const before = new Map([...this.cards.keys()].map((id, place) => [id, place]));
    const lay = new Map([...this.cards].map(([id, card]) => [id, card.element.getBoundingClientRect()]));
    const focused = document.activeElement;
    const old = this.cards;
    this.cards = new Map();
    let fresh = 0, moved = 0;
    const isOther = !items.some((item) => before.has(item.item_id)); // then every mark would say "new"
    items.forEach((item, place) => {
      const card = old.get(item.item_id) ?? new Card(item, this.acts);
      card.show(item, {...shown, position: place + 1});
      const places = before.has(item.item_id) ? before.get(item.item_id) - place : null;
      if (places === null) fresh++;
      else if (places) moved++;
      card.mark(marked && !isOther ? places : 0);
      this.cards.set(item.item_id, card);
    });
    this.list.replaceChildren(...[...this.cards.values()].map((card) => card.element));
    if (focused !== document.activeElement && this.list.contains(focused)) focused.focus({preventScroll: true});
    if (before.size && !movesLittle()) this.#move(lay);
    return {fresh, moved};
  }

  /** Show further items behind these. */
  append(items, shown) {
    for (const item of items) {
      const card = new Card(item, this.acts);
      card.show(item, {...shown, position: this.cards.size + 1});
      this.cards.set(item.item_id, card);
      this.list.append(card.element);
    }
  }

  /** Say everything anew, in another language or after a purchase. */
  translate() {
    for (const card of this.cards.values()) card.translate();
  }

  /** The link of an item, to give the focus back to. */
  linkOf(itemId) {
    return this.cards.get(itemId)?.link ?? null;
  }

  // FLIP: put every card where it was, and let it go.
  #move(lay) {
    for (const [id, card] of this.cards) {
      const from = lay.get(id), to = card.element.getBoundingClientRect();
      if (!from) {
        card.element.animate([{opacity: 0, transform: "scale(.94)"}, {opacity: 1, transform: "none"}], MOVE_MS);
      } else if (from.left !== to.left || from.top !== to.top) {
        const away = `translate(${from.left - to.left}px, ${from.top - to.top}px)`;
        card.element.animate([{transform: away}, {transform: "none"}], {duration: MOVE_MS, easing: EASING});
      }
    }
  }
}
