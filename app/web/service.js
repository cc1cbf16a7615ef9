// Calls of the service: the key, the errors, and how long each took.

const KEPT = "aisle.key", ADMIN_KEPT = "aisle.admin-key"; // in this tab only

/** Why a call gave no answer: `kind` is one of offline, key, forbidden, refused, missing, busy, failed. */
export class ServiceError extends Error {
  constructor(kind, detail, requestId = "", code = "") {
    super(detail);
    this.kind = kind;
    this.requestId = requestId;
    this.code = code;
  }
}

export const hasKey = () => Boolean(sessionStorage.getItem(KEPT));
export const keepKey = (key) => sessionStorage.setItem(KEPT, key);
export const forgetKey = () => sessionStorage.removeItem(KEPT);
export const hasAdminKey = () => Boolean(sessionStorage.getItem(ADMIN_KEPT));
export const keepAdminKey = (key) => sessionStorage.setItem(ADMIN_KEPT, key);
export const forgetAdminKey = () => sessionStorage.removeItem(ADMIN_KEPT);

/**
 * One call. `body` makes it a POST, if `method` does not say otherwise. With `admin` it has the shopkeeper's key,
 * where there is one, in place of the page's.
 * Gives `{answer, stages: [[name, ms]], tookMs}`. Throws a ServiceError, or an AbortError when `signal` says so.
 */
export async function ask(path, {method = "", body, admin = false, signal} = {}) {
  const headers = {};
  if (body !== undefined) headers["content-type"] = "application/json";
  const key = (admin && sessionStorage.getItem(ADMIN_KEPT)) || sessionStorage.getItem(KEPT);
  if (key) headers["x-api-key"] = key;
  const started = performance.now();
  let response, answer;
  try {
    method ||= body === undefined ? "GET" : "POST";
    response = await fetch(path, {method, headers, body: JSON.stringify(body), signal});
    answer = await response.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ServiceError("offline", "", response?.headers.get("x-request-id") ?? "");
  }
  if (!response.ok) throw new ServiceError(kindOf(response.status), answer.detail, answer.request_id, answer.code);
  return {answer, stages: stagesOf(response.headers.get("server-timing") ?? ""), tookMs: performance.now() - started};
}

function kindOf(status) {
  if (status === 401) return "key";
  if (status === 403) return "forbidden";
  if (status === 404) return "missing";
  if (status === 429 || status === 503) return "busy";
  return status < 500 ? "refused" : "failed";
}

const stagesOf = (header) => header.split(",").filter(Boolean).map((part) => {
  const [name, duration] = part.trim().split(";dur=");
  return [name, Number(duration)];
});
