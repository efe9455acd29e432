/** A request's path and query after the gateway has tidied it. */
export interface RequestTarget {
  /** Without duplicate slashes. */
  path: string;
  /** With its question mark; without the `apikey` parameter. */
  query: string;
  /** Value of the `apikey` parameter. */
  apikey: string | null;
}

/**
 * Reads the target of a request.
 *
 * Some deployed clients put a base URL that ends in "/" before "/rest/v1/...".
 * The key is taken out of the query because PostgREST would read it as a filter,
 * and so that it never reaches a log.
 */
export function parseTarget(url: string): RequestTarget {
  const mark = url.indexOf("?");
  const rawPath = mark < 0 ? url : url.slice(0, mark);
  const path = rawPath.replace(/\/{2,}/g, "/");
  // Only a query that has the key is rebuilt: others pass byte for byte.
  const rawQuery = mark < 0 ? "" : url.slice(mark);
  if (!/[?&]apikey=/.test(rawQuery)) {
    return { path, query: rawQuery, apikey: null };
  }
  const isKey = (part: string) => part.startsWith("apikey=");
  const parts = rawQuery.slice(1).split("&");
  const rest = parts.filter((part) => !isKey(part)).join("&");
  const apikey = parts.find(isKey)?.slice("apikey=".length) ?? "";
  return {
    path,
    query: rest ? `?${rest}` : "",
    apikey: decodeQueryValue(apikey),
  };
}

/** The part of a path below a prefix, or undefined when it is elsewhere. */
export function below(path: string, prefix: string): string | undefined {
  if (path === prefix) return "/";
  return path.startsWith(`${prefix}/`) ? path.slice(prefix.length) : undefined;
}

function decodeQueryValue(value: string): string {
  return new URLSearchParams(`v=${value}`).get("v") ?? "";
}
