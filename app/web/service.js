// Calls of the service: the key, the errors, and how long each took.

const KEPT = "aisle.key"; // in this tab only

/** Why a call gave no answer: `kind` is one of offline, key, refused, missing, busy, failed. */
export class ServiceError extends Error {
  constructor(kind, detail, requestId = "") {
    super(detail);
    this.kind = kind;
    this.requestId = requestId;
  }
}

export const hasKey = () => Boolean(sessionStorage.getItem(KEPT));
export const keepKey = (key) => sessionStorage.setItem(KEPT, key);
export const forgetKey = () => sessionStorage.removeItem(KEPT);

/**
 * One call. `body` makes it a POST.
 * Gives `{answer, stages: [[name, ms]], tookMs}`. Throws a ServiceError, or an AbortError when `signal` says so.
 */
export async function ask(path, {body, signal} = {}) {
  const headers = {};
  if (body !== undefined) headers["content-type"] = "application/json";
  if (hasKey()) headers["x-api-key"] = sessionStorage.getItem(KEPT);
  const started = performance.now();
  let response, answer;
  try {
    response = await fetch(path, {method: body === undefined ? "GET" : "POST", headers, body: JSON.stringify(body), signal});
    answer = await response.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ServiceError("offline", "", response?.headers.get("x-request-id") ?? "");
  }
  if (!response.ok) throw new ServiceError(kindOf(response.status), answer.detail, answer.request_id);
  return {answer, stages: stagesOf(response.headers.get("server-timing") ?? ""), tookMs: performance.now() - started};
}

function kindOf(status) {
  if (status === 401) return "key";
  if (status === 404) return "missing";
  if (status === 429 || status === 503) return "busy";
  return status < 500 ? "refused" : "failed";
}

const stagesOf = (header) => header.split(",").filter(Boolean).map((part) => {
  const [name, duration] = part.trim().split(";dur=");
  return [name, Number(duration)];
});
