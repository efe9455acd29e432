import { readFileSync } from "node:fs";
import { type EndpointEntry, ENDPOINTS } from "../../shared/endpoints.ts";
import { ERROR_CODES, type ErrorCode } from "../../shared/error-codes.ts";
import { COMMON_ERRORS, type Json, jsonSchema } from "./document.ts";
import { limitsOf, rowsOf, typeOf } from "./schema-text.ts";

/** Where the page is kept. */
export const HTTP_API_FILE = "docs/http-api.md";

const NOTES = new URL("../../shared/http-api-notes.md", import.meta.url);

const MARK =
  "<!-- Written by `npm run openapi` from shared/: the contracts, endpoints.ts, and the notes in http-api-notes.md. -->";

/**
 * The page of the HTTP API: fields, replies and codes as the contracts have
 * them, with the notes of each endpoint, in the order of the notes.
 */
export function httpApiText(notes = readFileSync(NOTES, "utf8")): string {
  const { intro, sections } = readNotes(notes);
  return [
    MARK,
    intro,
    indexOf([...sections.keys()]),
    `Every endpoint may also answer ${codes(COMMON_ERRORS)}.`,
    ...[...sections].map(([name, note]) => section(name, note)),
  ].join("\n\n") + "\n";
}

/** The text before the first `##`, and the notes under each of them by name. */
function readNotes(text: string) {
  const [intro = "", ...parts] = text.trim().split(/^## /m);
  const sections = new Map(parts.map((part) => {
    const [name = "", ...lines] = part.split("\n");
    return [name, lines.join("\n").trim()] as const;
  }));
  const missing = Object.keys(ENDPOINTS).filter((name) =>
    !namesOf(name).some((same) => sections.has(same))
  );
  const unknown = [...sections.keys()].filter((name) => !(name in ENDPOINTS));
  if (missing.length + unknown.length > 0) {
    throw new Error(
      `http-api-notes.md lacks [${missing}] and has unknown [${unknown}]`,
    );
  }
  return { intro: intro.trim(), sections };
}

/** All names that lead to one endpoint. */
function namesOf(name: string): string[] {
  return Object.keys(ENDPOINTS).filter((other) =>
    ENDPOINTS[other] === ENDPOINTS[name]
  );
}

function entryOf(name: string): EndpointEntry {
  const entry = ENDPOINTS[name];
  if (entry === undefined) throw new Error(`No endpoint ${name}`);
  return entry;
}

function indexOf(names: readonly string[]): string {
  return table(
    ["endpoint", "what it does", "callers"],
    names.map((name) => [
      `[${name}](#${name})`,
      entryOf(name).summary,
      entryOf(name).callers.join(", "),
    ]),
  );
}

function section(name: string, note: string): string {
  const entry = entryOf(name);
  const others = namesOf(name).filter((other) => other !== name)
    .map((other) => ` Also answers as \`${other}\`.`);
  return [
    `## ${name}`,
    `${entry.summary}. **Callers**: ${entry.callers.join(", ")}.${
      others.join("")
    }`,
    ...requestOf(entry),
    ...replyOf(entry),
    ...(entry.errors.length > 0 ? [`**Errors**: ${codes(entry.errors)}.`] : []),
    ...(note === "" ? [] : [note]),
  ].join("\n\n");
}

function requestOf(entry: EndpointEntry): string[] {
  const rows = rowsOf(
    entry.requests.map((schema) => jsonSchema(schema, "input")),
  );
  if (rows.length === 0) return ["The body is `{}`."];
  return [table(
    ["field", "type and limits", "default", "meaning"],
    rows.map(({ names, schema, isRequired }) => [
      names.map((name) => `\`${name}\``).join(", "),
      limitsOf(schema),
      isRequired ? "required" : defaultOf(schema),
      String(schema["description"] ?? ""),
    ]),
  )];
}

function defaultOf(schema: Json): string {
  return "default" in schema ? `\`${String(schema["default"])}\`` : "";
}

function replyOf(entry: EndpointEntry): string[] {
  const forms = withoutRepeats(
    entry.replies.map((schema) => typeOf(jsonSchema(schema, "output"))),
  );
  if (forms.length === 0) return [];
  const empty = entry.mayBeEmpty === true ? ", or 204 without a body" : "";
  return [
    `**Reply**: 200${empty}`,
    ["```ts", forms.join("\n// or\n"), "```"].join("\n"),
  ];
}

/** The forms of a reply, where one that holds an earlier one refers to it. */
function withoutRepeats(forms: readonly string[]): string[] {
  return forms.map((form, i) =>
    forms.slice(0, i).reduce(
      (text, before) =>
        text.replaceAll(
          before.replaceAll("\n", "\n  "),
          "/* as above */ object",
        ),
      form,
    )
  );
}

function codes(list: readonly ErrorCode[]): string {
  return list.toSorted((a, b) => ERROR_CODES[a].status - ERROR_CODES[b].status)
    .map((code) => `${ERROR_CODES[code].status} \`${code}\``).join(", ");
}

function table(head: readonly string[], rows: readonly string[][]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)]
    .join("\n");
}
