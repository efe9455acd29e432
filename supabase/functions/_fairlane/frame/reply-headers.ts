import { VERSION } from "../../../../shared/version.ts";

/**
 * Any page may call, because no cookie identifies anyone here: the caller is
 * whoever holds the token, and cookies are not allowed.
 */
const CORS_HEADERS: Readonly<Record<string, string>> = {
  "access-control-allow-origin": "*",
  "access-control-allow-headers":
    "authorization, apikey, cache-control, content-type, x-client-info, x-request-id, x-region, traceparent, tracestate, baggage",
  "access-control-allow-methods": "GET, POST, OPTIONS",
  "access-control-expose-headers":
    "x-request-id, retry-after, x-fairlane-passed-over, x-fairlane-version",
  "access-control-max-age": "86400",
};

/** The answer to a browser's preflight. */
export function preflightResponse(): Response {
  return new Response(null, { status: 204 });
}

/** Sets the request id, the version and CORS on a reply. */
export function setReplyHeaders(response: Response, requestId: string): void {
  response.headers.set("x-request-id", requestId);
  response.headers.set("x-fairlane-version", VERSION);
  for (const [name, value] of Object.entries(CORS_HEADERS)) {
    response.headers.set(name, value);
  }
}

const SANE = /^[A-Za-z0-9._-]{1,128}$/;

/** The caller's own request id when it is safe to repeat, else a fresh one. */
export function requestIdOf(headers: Headers, create: () => string): string {
  const given = headers.get("x-request-id");
  return given !== null && SANE.test(given) ? given : create();
}
