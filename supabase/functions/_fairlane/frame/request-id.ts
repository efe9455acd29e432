const SANE = /^[A-Za-z0-9._-]{1,128}$/;

/** The caller's own request id when it is safe to repeat, else a fresh one. */
export function requestIdOf(headers: Headers, create: () => string): string {
  const given = headers.get("x-request-id");
  return given !== null && SANE.test(given) ? given : create();
}
