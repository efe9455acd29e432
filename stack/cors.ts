import type { IncomingMessage, ServerResponse } from "node:http";

/** CORS headers of a reply that the gateway answers for PostgREST. */
export function corsHeaders(request: IncomingMessage): Record<string, string> {
  return {
    "access-control-allow-origin": request.headers.origin ?? "*",
    "access-control-expose-headers": "Content-Range, Range",
    vary: "Origin",
  };
}

/** Answers a browser's preflight; false when the request is not one. */
export function answerPreflight(
  request: IncomingMessage,
  response: ServerResponse,
): boolean {
  const { method, headers } = request;
  if (method !== "OPTIONS" || !headers["access-control-request-method"]) {
    return false;
  }
  response.writeHead(204, {
    ...corsHeaders(request),
    "access-control-allow-methods": "GET,HEAD,POST,PUT,PATCH,DELETE,OPTIONS",
    "access-control-allow-headers": headers["access-control-request-headers"] ??
      "authorization, apikey, content-type, prefer, x-client-info",
    "access-control-max-age": "86400",
  });
  response.end();
  return true;
}
