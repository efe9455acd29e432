/** What stands in for a character that Postgres cannot store. */
const REPLACEMENT = "\uFFFD";

/** With the flag `u`, the halves of a complete pair are not matched. */
const LONE_SURROGATE = /\p{Surrogate}/gu;

/**
 * Text that Postgres accepts: NUL and lone surrogates become U+FFFD.
 *
 * A worker must always be able to report a failure, and the text of a failure
 * is whatever a crashed process printed; refusing it would leave the task
 * running forever.
 */
export function sanitiseText(text: string): string {
  return text.replaceAll("\0", REPLACEMENT)
    .replace(LONE_SURROGATE, REPLACEMENT);
}

/** An escaped backslash, a whole surrogate pair, or (captured) a bad escape. */
const JSON_ESCAPE =
  /\\\\|\\u[dD][89abAB]..\\u[dD][c-fC-F]..|(\\u(?:0000|[dD][89a-fA-F]..))/g;

/** The same for JSON source text, whose escapes stay as they were written. */
export function sanitiseJsonText(json: string): string {
  return json.replace(
    JSON_ESCAPE,
    (escape, bad) => bad === undefined ? escape : "\\ufffd",
  );
}
