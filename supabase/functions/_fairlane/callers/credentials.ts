/** What a request claims about its sender, not yet verified. */
export interface Credentials {
  readonly bearer: string | null;
  readonly apikey: string | null;
  /** True when a header is present that is no readable credential. */
  readonly isMalformed: boolean;
}

/** Longer values are no credentials: the longest are JWTs of a few kilobytes. */
const MAX_LENGTH = 8192;
const VISIBLE_ASCII = /^[!-~]+$/;

/** Reads `Authorization: Bearer x` and `apikey: x`; empty counts as absent. */
export function readCredentials(headers: Headers): Credentials {
  const authorization = (headers.get("authorization") ?? "").trim();
  const apikey = (headers.get("apikey") ?? "").trim();
  const bearer = /^bearer$/i.test(authorization)
    ? ""
    : /^bearer +(.+)$/i.exec(authorization)?.[1] ?? authorization;
  const isBearer = bearer !== authorization || bearer === "";
  return {
    bearer: isBearer && isUsable(bearer) ? bearer : null,
    apikey: isUsable(apikey) ? apikey : null,
    isMalformed: !isBearer ||
      [bearer, apikey].some((value) => value !== "" && !isUsable(value)),
  };
}

/**
 * The headers of a call with one of the project's own keys: opaque ones go in
 * `apikey` alone; a legacy key is a JWT and goes in both.
 */
export function keyHeaders(key: string): Record<string, string> {
  const isJwt = key.split(".").length === 3;
  return isJwt
    ? { apikey: key, authorization: `Bearer ${key}` }
    : { apikey: key };
}

function isUsable(value: string): boolean {
  return value.length <= MAX_LENGTH && VISIBLE_ASCII.test(value);
}
