// What the page shows stands in its address, after the `#`: so that links, reloading and "back" work.

const NOTHING = {query: "", exact: false, sort: "relevance", values: {}, ranges: {}};

export const addressOfItem = (itemId) => `#/item/${encodeURIComponent(itemId)}`;

/** The address of a list. `exact`: the query is not corrected; `values` are the chosen ones by field, `ranges` are `{from, to}` by field. */
export function addressOfList({query, exact, sort, values, ranges}) {
  const found = new URLSearchParams();
  if (query) found.set("q", query);
  if (query && exact) found.set("exact", "1");
  if (sort !== NOTHING.sort) found.set("sort", sort);
  for (const [field, chosen] of Object.entries(values)) for (const value of chosen) found.append(`is.${field}`, value);
  for (const [field, {from, to}] of Object.entries(ranges)) found.set(`in.${field}`, `${from ?? ""}..${to ?? ""}`);
  const text = found.toString();
  return text ? `#/?${text}` : "#/";
}

/** `{itemId}` for an item, else `{query, exact, sort, values, ranges}`. */
export function readAddress(hash) {
  if (hash.startsWith("#/item/")) return {itemId: decoded(hash.slice("#/item/".length))};
  const wanted = structuredClone(NOTHING);
  for (const [name, value] of new URLSearchParams(hash.replace(/^#\/?\??/, ""))) {
    if (name === "q") wanted.query = value;
    else if (name === "exact") wanted.exact = value === "1";
    else if (name === "sort") wanted.sort = value;
    else if (name.startsWith("is.")) (wanted.values[name.slice(3)] ??= []).push(value);
    else if (name.startsWith("in.")) wanted.ranges[name.slice(3)] = rangeOf(value);
  }
  return wanted;
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a stray percent sign: taken as it stands, and no such item will be found
  }
}

function rangeOf(text) {
  const [from, to] = text.split("..").map((end) => end.trim() === "" || Number.isNaN(Number(end)) ? null : Number(end));
  return {from, to: to ?? null};
}
