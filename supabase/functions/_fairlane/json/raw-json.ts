import { sanitiseJsonText } from "../../../../shared/sanitise-text.ts";
import { ApiError } from "../frame/api-error.ts";
import { memberText, someOutsideStrings } from "./json-scan.ts";

/** JSON source text that is passed on as it is, never parsed and rebuilt. */
export class RawJson {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** Data about a result, not the result: its escapes are checked one by one. */
const MAX_LENGTH = 1024 * 1024;
/** Well within what Postgres can store as a number. */
const MAX_NUMBER_LENGTH = 1000;
const HUGE_EXPONENT = /[eE][-+]?\d{4}/;

/** One object of a valid JSON body, in the client's own spelling. */
export function rawMember(body: string, name: string): RawJson | undefined {
  const text = memberText(body, name);
  if (text === undefined || text === "null") return undefined;
  const refuse = (rule: string) =>
    new ApiError("PARAMS_TOO_LARGE", `Body field "${name}" must ${rule}`);
  if (text.length > MAX_LENGTH) {
    throw refuse(`have at most ${MAX_LENGTH} characters`);
  }
  if (someOutsideStrings(text, holdsUnstorableNumber)) {
    throw refuse("hold numbers of a storable size");
  }
  return new RawJson(sanitiseJsonText(text));
}

/** JSON text of an object: undefined members are left out, raw ones kept. */
export function jsonText(members: Readonly<Record<string, unknown>>): string {
  const texts = Object.entries(members)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => {
      const json = value instanceof RawJson
        ? value.text
        : JSON.stringify(value);
      return `${JSON.stringify(name)}:${json}`;
    });
  return `{${texts.join(",")}}`;
}

/** Number by number, because one regex over megabytes of digits overflows. */
function holdsUnstorableNumber(part: string): boolean {
  for (const [number] of part.matchAll(/[\d.eE+-]+/g)) {
    if (number.length > MAX_NUMBER_LENGTH) return true;
    if (HUGE_EXPONENT.test(number)) return true;
  }
  return false;
}
