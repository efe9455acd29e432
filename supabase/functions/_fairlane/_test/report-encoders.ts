import fc from "fast-check";

/** How one client's JSON library writes what JSON has no plain word for. */
interface Dialect {
  readonly separator: string;
  readonly colon: string;
  readonly float: (value: number) => string;
  readonly text: (value: string) => string;
}

const surrogates = /\p{Surrogate}/gu;

/** `json.dumps(value)`: NaN as it is, everything else beyond ASCII escaped. */
const pythonAscii: Dialect = {
  separator: ", ",
  colon: ": ",
  float: pythonFloat,
  text: (value) => escapeAbove(quoted(value), 0x7e),
};

/** `json.dumps(value, ensure_ascii=False)`. */
const pythonUnicode: Dialect = { ...pythonAscii, text: quoted };

/** `encoding/json`: no NaN, so clients print it; `<` and the like escaped. */
const go: Dialect = {
  separator: ",",
  colon: ":",
  float: (value) =>
    Number.isFinite(value) ? String(value) : `"${goWord(value)}"`,
  text: (value) =>
    quoted(value.replace(surrogates, "\ufffd"))
      .replace(/[<>&\u2028\u2029]/g, unicodeEscape),
};

/** `serde_json`: NaN is null, strings are whole Unicode. */
const rust: Dialect = {
  separator: ",",
  colon: ":",
  float: (value) => Number.isFinite(value) ? String(value) : "null",
  text: (value) => quoted(value.replace(surrogates, "\ufffd")),
};

/** `JSON.stringify`: lone surrogates are escaped. */
const javaScript: Dialect = {
  ...rust,
  text: (value) => JSON.stringify(value),
};

/** What careless code pastes together: line breaks and tabs as they are. */
const careless: Dialect = {
  ...pythonUnicode,
  float: (value) => pythonFloat(value).toLowerCase(),
  text: (value) =>
    `"${value.replace(/["\\]/g, (char) => char === '"' ? '\\"' : "\\\\")}"`,
};

const DIALECTS = [pythonAscii, pythonUnicode, go, rust, javaScript, careless];

/** The bytes that clients send for `value`. */
export function encoded(
  value: fc.Arbitrary<unknown>,
): fc.Arbitrary<Uint8Array<ArrayBuffer>> {
  return fc.tuple(value, fc.constantFrom(...DIALECTS)).map((
    [report, dialect],
  ) => utf8(write(report, dialect)));
}

function write(value: unknown, dialect: Dialect): string {
  const list = (parts: string[]) => parts.join(dialect.separator);
  if (value === null || value === undefined) return "null";
  if (typeof value === "string") return dialect.text(value);
  if (typeof value === "number") return dialect.float(value);
  if (typeof value !== "object") return String(value);
  if (Array.isArray(value)) {
    return `[${list(value.map((element) => write(element, dialect)))}]`;
  }
  return `{${
    list(
      Object.entries(value).map(([key, member]) =>
        `${dialect.text(key)}${dialect.colon}${write(member, dialect)}`
      ),
    )
  }}`;
}

function pythonFloat(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "Infinity" : "-Infinity";
  return Number.isInteger(value) && Math.abs(value) < 1e16
    ? `${value}.0`
    : String(value);
}

function goWord(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  return value > 0 ? "+Inf" : "-Inf";
}

/** JSON's own escapes; lone surrogates stay, for the bytes to decide. */
function quoted(value: string): string {
  const body = value.replace(
    // deno-lint-ignore no-control-regex
    /["\\\u0000-\u001f]/g,
    (char) => JSON.stringify(char).slice(1, -1),
  );
  return `"${body}"`;
}

function escapeAbove(text: string, last: number): string {
  return text.replace(
    /[^\0-\u007f]/g,
    (char) => char.charCodeAt(0) > last ? unicodeEscape(char) : char,
  );
}

function unicodeEscape(char: string): string {
  return `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/**
 * UTF-8 as Python writes it with `surrogateescape` (bytes that were no UTF-8
 * come out as they went in) and, for the other halves, with `surrogatepass`.
 */
function utf8(text: string): Uint8Array<ArrayBuffer> {
  const encoder = new TextEncoder();
  const bytes: number[] = [];
  for (const char of text) {
    const code = char.codePointAt(0) ?? 0;
    if (code >= 0xdc80 && code <= 0xdcff) bytes.push(code - 0xdc00);
    else if (code >= 0xd800 && code <= 0xdfff) {
      bytes.push(0xed, 0x80 | (code >> 6 & 0x3f), 0x80 | (code & 0x3f));
    } else bytes.push(...encoder.encode(char));
  }
  return new Uint8Array(bytes);
}
