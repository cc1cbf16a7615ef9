// The search field, a combobox after the WAI-ARIA pattern: arrows walk the suggestions, Enter takes one, Escape closes.

import {debounced, find, make} from "./dom.js";
import {ask} from "./service.js";
import {sayName} from "./strings.js";

const PAUSE_MS = 120; // of typing, before anything is asked

/**
 * Have the field call `typed(text)` while it is typed into, `sent(text)` on Enter or a suggestion, `opened(itemId)`
 * where a suggestion is one item, and `failed(error)` where suggestions cannot be had.
 */
export function watchSearch({typed, sent, opened, failed}) {
  const input = find("query"), list = find("suggestions");
  let suggestions = [], active = -1, asking = new AbortController();

  function close() {
    suggest.cancel();
    asking.abort();
    suggestions = [];
    list.hidden = true;
    activate(-1);
    input.setAttribute("aria-expanded", "false");
  }

  function activate(place) {
    active = place;
    [...list.children].forEach((option, index) => option.setAttribute("aria-selected", String(index === place)));
    if (place < 0) input.removeAttribute("aria-activedescendant");
    else {
      input.setAttribute("aria-activedescendant", list.children[place].id);
      list.children[place].scrollIntoView({block: "nearest"});
    }
  }

  function take(suggestion) {
    close();
    search.cancel();
    if (suggestion.item_id) {
      opened(suggestion.item_id);
      return;
    }
    input.value = suggestion.text;
    sent(suggestion.text);
  }

  function show(found) {
    suggestions = found;
    list.replaceChildren(...found.map((suggestion, index) => {
      const kind = make("small", {text: sayName("kind", suggestion.kind)});
      return make("li", {
        id: `suggestion-${index}`, role: "option", "aria-selected": "false",
        onmousedown: (event) => event.preventDefault(), // or the field would lose the focus before the click
        onclick: () => take(suggestion),
      }, make("span", {}, ...marked(suggestion)), kind);
    }));
    activate(-1);
    list.hidden = !found.length;
    input.setAttribute("aria-expanded", String(Boolean(found.length)));
  }

  async function suggestNow() {
    const text = input.value.trim();
    asking.abort();
    if (document.activeElement !== input) return;
    asking = new AbortController();
    try {
      const {answer} = await ask(`suggest?${new URLSearchParams({q: text})}`, {signal: asking.signal});
      show(answer.suggestions);
    } catch (error) {
      if (error.name !== "AbortError") failed(error);
    }
  }

  const suggest = debounced(suggestNow, PAUSE_MS);
  const search = debounced(() => typed(input.value.trim()), PAUSE_MS);

  input.addEventListener("input", () => {
    search();
    if (input.value.trim()) suggest();
    else close();
  });
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    const count = suggestions.length;
    if (event.isComposing) return;
    if (event.key === "ArrowDown" && !count) suggestNow(); // with nothing typed: what is liked most
    else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && count) {
      event.preventDefault();
      const step = event.key === "ArrowDown" ? 1 : -1;
      activate((active + 1 + step + count + 1) % (count + 1) - 1); // past either end lies the field itself
    } else if (event.key === "Escape" && !list.hidden) {
      event.preventDefault(); // a first Escape closes, a second one empties the field
      close();
    }
  });
  find("search").addEventListener("submit", (event) => {
    event.preventDefault();
    if (active >= 0) take(suggestions[active]);
    else {
      close();
      search.cancel();
      sent(input.value.trim());
    }
  });
}

/** The text of a suggestion, what was typed of it in bold. */
function marked({text, highlight = []}) {
  const letters = [...text], parts = [];
  let done = 0;
  for (const [start, end] of highlight) {
    parts.push(letters.slice(done, start).join(""), make("b", {text: letters.slice(start, end).join("")}));
    done = end;
  }
  return [...parts, letters.slice(done).join("")];
}
