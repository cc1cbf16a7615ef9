// What went wrong, under which request id, and how to go on.

import {button, find, make} from "./dom.js";
import {forgetKey, hasKey, keepKey} from "./service.js";
import {say} from "./strings.js";

let current = null; // {error, retry}

/** Show an error, with `retry` to be called when asked to try again. Errors that the service did not make are defects. */
export function showTrouble(error, retry) {
  if (error.name === "AbortError") return;
  if (error.kind === undefined) throw error;
  if (error.kind === "key") {
    error.wasGiven ??= hasKey();
    forgetKey();
  }
  current = {error, retry};
  translateTrouble();
  if (error.kind === "key") find("key-text").focus();
}

export const hasTrouble = () => current !== null;

export function clearTrouble() {
  current = null;
  find("trouble").hidden = find("key").hidden = true;
}

export function translateTrouble() {
  if (!current) return;
  const {error, retry} = current;
  const isKey = error.kind === "key";
  find("key").hidden = !isKey;
  find("key-note").textContent = say(isKey && error.wasGiven ? "key_wrong" : "key_note");
  find("trouble").hidden = isKey;
  find("trouble").replaceChildren(...isKey ? [] : [make("strong", {text: say(`trouble_${error.kind}`)}),
    error.message ? make("span", {text: error.message}) : null,
    error.requestId ? make("code", {text: say("request", {id: error.requestId})}) : null,
    button(say("retry"), () => {
      clearTrouble();
      retry();
    })].filter(Boolean));
}

find("key").addEventListener("submit", (event) => {
  event.preventDefault();
  const retry = current?.retry;
  keepKey(find("key-text").value.trim());
  find("key-text").value = "";
  clearTrouble();
  retry?.();
});
