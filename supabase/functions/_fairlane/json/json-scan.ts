import type { ErrorCode } from "../../../../shared/error-codes.ts";
import { ApiError } from "../frame/api-error.ts";

/**
 * Deeper or wider JSON than this is an attack on memory, not a request. The
 * database decides what a task may hold, 100 levels and 200,000 values; there is
 * a body around it.
 */
export const MAX_DEPTH = 103;
export const MAX_VALUES = 220_000;

/**
 * Refuses JSON text that is small on the wire and huge once parsed. Runs before
 * `JSON.parse`, on text that need not be valid; strings are skipped natively,
 * so a long text costs next to nothing.
 */
export function assertModest(
  text: string,
  code: ErrorCode = "INVALID_BODY",
): void {
  let depth = 0;
  let values = 0;
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if (char === '"') at = endOfString(text, at) - 1;
    else if (char === "{" || char === "[") {
      values++;
      if (++depth > MAX_DEPTH) {
        throw tooMuch(code, `nest at most ${MAX_DEPTH} levels deep`);
      }
    } else if (char === "}" || char === "]") depth--;
    else if (char === "," && ++values > MAX_VALUES) {
      throw tooMuch(code, `hold at most ${MAX_VALUES} values`);
    }
  }
}

/**
 * The source text of one member of a JSON object, so that numbers which a
 * double cannot hold are passed on as they were written. `json` must be valid;
 * of duplicates the last one counts, as for `JSON.parse`.
 */
export function memberText(json: string, name: string): string | undefined {
  let found: string | undefined;
  let depth = 0;
  let key: string | undefined;
  let start = -1;
  for (let at = 0; at < json.length; at++) {
    const char = json[at];
    if (char === '"') {
      const end = endOfString(json, at);
      if (depth === 1 && key === undefined) {
        key = JSON.parse(json.slice(at, end));
      }
      at = end - 1;
    } else if (char === ":" && depth === 1) start = at + 1;
    else if (char === "{" || char === "[") depth++;
    else if (char === "}" || char === "]" || char === ",") {
      if (depth === 1) {
        if (key === name) found = json.slice(start, at).trim();
        key = undefined;
      }
      if (char !== ",") depth--;
    }
  }
  return found;
}

/** The source texts of the elements of a JSON array. `json` must be valid. */
export function elementTexts(json: string): string[] {
  const found: string[] = [];
  let depth = 0;
  let start = json.indexOf("[") + 1;
  for (let at = 0; at < json.length; at++) {
    const char = json[at];
    if (char === '"') at = endOfString(json, at) - 1;
    else if (char === "{" || char === "[") depth++;
    else if (char === "}" || char === "]" || char === ",") {
      if (depth === 1) {
        found.push(json.slice(start, at).trim());
        start = at + 1;
      }
      if (char !== ",") depth--;
    }
  }
  return found.length === 1 && found[0] === "" ? [] : found;
}

/** Calls `visit` with each stretch of JSON text that is outside strings. */
export function someOutsideStrings(
  json: string,
  visit: (stretch: string) => boolean,
): boolean {
  let from = 0;
  while (from < json.length) {
    const quote = json.indexOf('"', from);
    const to = quote === -1 ? json.length : quote;
    if (visit(json.slice(from, to))) return true;
    from = quote === -1 ? to : endOfString(json, quote);
  }
  return false;
}

/** The index after the string that opens at `start`. */
export function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1);
  while (end !== -1 && isEscaped(text, end)) end = text.indexOf('"', end + 1);
  return end === -1 ? text.length : end + 1;
}

function isEscaped(text: string, at: number): boolean {
  let slashes = 0;
  while (text[at - 1 - slashes] === "\\") slashes++;
  return slashes % 2 === 1;
}

function tooMuch(code: ErrorCode, rule: string): ApiError {
  return new ApiError(code, `The body must ${rule}`);
}
