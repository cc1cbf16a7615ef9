// Elements. Text never becomes markup, since titles come from a shop's feed.

export const find = (id) => document.getElementById(id);

/** An element with properties (`class`, `text`, `on…` listeners, attributes) and children: elements or text. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "text") element.textContent = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** A button that does something. */
export const button = (text, act, properties = {}) => make("button", {type: "button", text, onclick: act, ...properties});

/** Show `text` in an element, or hide it when there is none. */
export function showText(element, text) {
  element.textContent = text;
  element.hidden = !text;
}

/** Wait until `pause` ms have passed without a further call; then act once. `cancel` forgets a call that waits. */
export function debounced(act, pause) {
  let timer = 0;
  const later = () => {
    clearTimeout(timer);
    timer = setTimeout(act, pause);
  };
  later.cancel = () => clearTimeout(timer);
  return later;
}

export const movesLittle = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
