// What a shopkeeper can do with one item: beside it, so that one sees what becomes of it.

import {button, make, showText} from "./dom.js";
import {isSoldOut, titleOf} from "./items.js";
import {changeItem, deleteItem, knowsField, sentenceOfTrouble} from "./shopkeeper.js";
import {say} from "./strings.js";

/** `changed(key, item)` is called when something was done: price, empty, refill, hide or delete. */
export class Editor {
  #item = null;
  #isBusy = false;
  #isSure = false; // that it shall be deleted

  constructor(changed) {
    this.changed = changed;
    this.opener = button("", () => this.#open(this.form.hidden), {class: "plain", "aria-expanded": "false"});
    this.price = make("input", {type: "number", min: "0", step: "any", inputmode: "decimal"});
    this.priceName = make("span");
    this.save = make("button");
    this.priced = make("p", {class: "pair"}, make("label", {}, this.priceName, " ", this.price), this.save);
    this.stock = button("", () => {
      const isOut = isSoldOut(this.#item.fields);
      return this.#do(isOut ? "refill" : "empty", (id) => changeItem(id, {in_stock: isOut}));
    });
    this.hide = button("", () => this.#do("hide", (id) => changeItem(id, {hidden: true})));
    this.delete = button("", () => this.#delete());
    this.trouble = make("p", {class: "bad", role: "alert", hidden: true});
    this.form = make("form", {hidden: true, onsubmit: (event) => {
      event.preventDefault();
      const price = this.price.value === "" ? null : Number(this.price.value);
      this.#do("price", (id) => changeItem(id, {price}));
    }}, this.priced, this.stock, this.hide, this.delete, this.trouble);
    this.element = make("div", {class: "keeper"}, this.opener, this.form);
  }

  /** Show what can be done with the item as it was answered now, in the chosen language. */
  show(item) {
    if (this.#item?.fields?.price !== item.fields?.price || this.#item?.item_id !== item.item_id) {
      this.price.value = item.fields?.price ?? "";
    }
    this.#item = item;
    this.opener.textContent = say("edit");
    this.opener.setAttribute("aria-label", say("edit_of", {title: titleOf(item.item_id)}));
    this.priceName.textContent = say("edit_price");
    this.save.textContent = say("edit_save");
    this.stock.textContent = say(isSoldOut(item.fields) ? "edit_refill" : "edit_empty");
    this.hide.textContent = say("edit_hide");
    this.delete.textContent = say(this.#isSure ? "edit_delete_surely" : "edit_delete");
    this.priced.hidden = !knowsField("price");
    this.stock.hidden = !knowsField("in_stock");
  }

  #open(isOpen) {
    this.form.hidden = !isOpen;
    this.opener.setAttribute("aria-expanded", String(isOpen));
    this.#isSure = false;
    showText(this.trouble, "");
    this.show(this.#item);
    if (isOpen) (this.priced.hidden ? this.hide : this.price).focus();
  }

  /** The first press asks, the second one does it. */
  #delete() {
    if (this.#isSure) return this.#do("delete", deleteItem);
    this.#isSure = true;
    this.show(this.#item);
  }

  async #do(key, change) {
    if (this.#isBusy) return;
    this.#isBusy = true;
    showText(this.trouble, "");
    try {
      await change(this.#item.item_id);
    } catch (error) {
      showText(this.trouble, sentenceOfTrouble(error));
      return;
    } finally {
      this.#isBusy = this.#isSure = false;
      this.show(this.#item);
    }
    await this.changed(key, this.#item);
  }
}
