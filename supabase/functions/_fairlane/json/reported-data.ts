import { sanitiseJsonText } from "../../../../shared/sanitise-text.ts";
import { memberText } from "./json-scan.ts";
import { RawJson } from "./raw-json.ts";

/** Longer data is kept as the two ends of its text. */
const MAX_LENGTH = 1024 * 1024;
const HEAD = 64 * 1024;
const TAIL = 16 * 1024;

/**
 * The data of a report, in the sender's own spelling. It is never a reason to
 * refuse the report: anything but an object is wrapped in one, and data that is
 * too long is cut to its two ends and its length.
 */
export function reportedData(body: string, name: string): RawJson | undefined {
  const text = memberText(body, name);
  if (text === undefined || text === "null") return undefined;
  const kept = text.length > MAX_LENGTH ? JSON.stringify(ends(text)) : text;
  const json = sanitiseJsonText(kept);
  return new RawJson(
    json.startsWith("{") ? json : `{${JSON.stringify(name)}:${json}}`,
  );
}

function ends(text: string): string {
  const note = ` … [cut: ${text.length} characters in all] … `;
  return `${text.slice(0, HEAD)}${note}${text.slice(-TAIL)}`;
}
