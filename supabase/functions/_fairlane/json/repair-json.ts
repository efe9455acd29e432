import { endOfString, MAX_DEPTH, MAX_VALUES } from "./json-scan.ts";

/** The longest number, written out, that is stored as a number. */
const MAX_NUMBER_LENGTH = 400;

/** A whole escape, or (captured) a character that a JSON string must escape. */
const ESCAPE_OR_ODD =
  // deno-lint-ignore no-control-regex
  /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})|([\\\u0000-\u001f])/g;
// deno-lint-ignore no-control-regex
const MAY_BE_ODD = /[\\\u0000-\u001f]/;

/** How Python, Go, Ruby and printf write NaN and infinity. */
const NO_NUMBER = /^[-+]?(?:nan|inf|infinity)$/i;
const JSON_NUMBER = /^-?(0|[1-9]\d*)(?:\.(\d+))?(?:[eE]([-+]?\d{1,9}))?$/;
/** Numbers in a form that JSON does not allow: `+1`, `.5`, `1.`, `007`. */
const NUMBER_LIKE = /^[-+]?\.?\d[\d.eE+-]*$/;
const MAX_WORD = 1024;

/**
 * The text of a report as valid JSON. A worker can always report, so what its
 * library writes beyond JSON is read:
 * - numbers that are not JSON, or that cannot be stored (NaN, -Infinity,
 *   1e99999, 007), become their text;
 * - raw control characters and unknown escapes are taken literally;
 * - a member that nests too deep or holds too many values becomes its own text.
 * Anything else that is not JSON stays as it is, for the parser to refuse.
 */
export function repairJson(text: string): string {
  const pieces: string[] = [];
  let copied = 0;
  let depth = 0;
  let room = MAX_VALUES;
  let at = 0;
  const put = (end: number, piece: string) => {
    pieces.push(text.slice(copied, at), piece);
    copied = end;
  };

  while (at < text.length) {
    const char = text[at] ?? "";
    let end = at + 1;
    if (char === '"') {
      end = endOfString(text, at);
      const source = text.slice(at, end);
      if (MAY_BE_ODD.test(source)) put(end, repairString(source));
    } else if (char === "{" || char === "[") {
      if (depth === 1) {
        const member = measure(text, at, room);
        if (member.isTooMuch) put(end = member.end, asText(text, at, end));
        else room -= member.values;
      }
      if (end === at + 1) depth++;
    } else if (char === "}" || char === "]") depth--;
    else if (isOfWord(char)) {
      end = endOfWord(text, at);
      if (!isPlainWord(text, at, end)) put(end, asText(text, at, end));
    }
    at = end;
  }
  pieces.push(text.slice(copied));
  return pieces.join("");
}

/** How long a number is once it is written out, without an exponent. */
export function writtenLength(number: string): number {
  const [, whole = "", fraction = "", exponent = "0"] =
    JSON_NUMBER.exec(number) ?? [];
  const shift = Number(exponent);
  const places = Math.max(0, fraction.length - shift);
  return Number(number.startsWith("-")) + Math.max(1, whole.length + shift) +
    (places === 0 ? 0 : places + 1);
}

/** Where the value that opens at `start` ends, and whether it is too large. */
function measure(text: string, start: number, room: number) {
  let depth = 1;
  let values = 0;
  let isTooMuch = false;
  let at = start;
  for (; at < text.length; at++) {
    const char = text[at];
    if (char === '"') at = endOfString(text, at) - 1;
    else if (char === "{" || char === "[") {
      values++;
      depth++;
      isTooMuch ||= depth > MAX_DEPTH;
    } else if (char === "}" || char === "]") {
      if (--depth === 1) break;
    } else if (char === ",") values++;
  }
  return { end: at + 1, values, isTooMuch: isTooMuch || values > room };
}

function repairString(source: string): string {
  return source.replace(ESCAPE_OR_ODD, (match, odd: string | undefined) => {
    if (odd === undefined) return match;
    return odd === "\\" ? "\\\\" : JSON.stringify(odd).slice(1, -1);
  });
}

function asText(text: string, start: number, end: number): string {
  return JSON.stringify(text.slice(start, end));
}

function isOfWord(char: string): boolean {
  return !'{}[]",: \t\r\n'.includes(char);
}

function endOfWord(text: string, start: number): number {
  let end = start + 1;
  while (end < text.length && isOfWord(text[end] ?? "")) end++;
  return end;
}

/** Whether a token stays as it is: it is JSON, or not a number. */
function isPlainWord(text: string, start: number, end: number): boolean {
  if (end - start > MAX_WORD) return !/[-\d]/.test(text[start] ?? "");
  const word = text.slice(start, end);
  if (JSON_NUMBER.test(word)) return writtenLength(word) <= MAX_NUMBER_LENGTH;
  return !NO_NUMBER.test(word) && !NUMBER_LIKE.test(word);
}
