/**
 * Any page may ask, because no cookie identifies anyone here: the caller is
 * whoever holds the token, and credentials are not allowed along.
 */
export const CORS_HEADERS: Readonly<Record<string, string>> = {
  "access-control-allow-origin": "*",
  "access-control-allow-headers":
    "authorization, apikey, content-type, x-client-info, x-request-id, x-region, traceparent, tracestate, baggage",
  "access-control-allow-methods": "POST, OPTIONS",
  "access-control-expose-headers":
    "x-request-id, retry-after, x-fairlane-passed-over",
  "access-control-max-age": "86400",
};

/** The answer to a browser's preflight; it looks at nothing and does nothing. */
export function preflightResponse(): Response {
  return new Response(null, { status: 204 });
}
