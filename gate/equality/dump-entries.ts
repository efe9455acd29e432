/** One object, or one property of an object, as pg_dump describes it. */
export interface DumpEntry {
  /** For example `Name: tasks; Type: TABLE; Schema: public; Owner: postgres`. */
  readonly title: string;
  readonly text: string;
}

const TITLE = /^--\n-- (Name: .*; Type: .*)\n--$/m;

/** Splits a schema dump; what only depends on history is put in order. */
export function dumpEntries(dump: string): DumpEntry[] {
  const [, ...parts] = dump.split(TITLE);
  const entries: DumpEntry[] = [];
  for (let i = 0; i < parts.length; i += 2) {
    const title = parts[i] ?? "";
    entries.push({ title, text: normalise(title, parts[i + 1] ?? "") });
  }
  return entries;
}

function normalise(title: string, text: string): string {
  const body = withoutTrailer(text);
  // Rights and settings are sets: their order is the order of their giving.
  if (/; Type: (DEFAULT )?ACL;/.test(title)) {
    return body.split("\n").filter(Boolean).sort().join("\n");
  }
  return body.replace(
    /^WITH \((.*)\);$/m,
    (_, options: string) => `WITH (${options.split(", ").sort().join(", ")});`,
  );
}

/** The dump's own last words, and settings between entries, belong to none. */
function withoutTrailer(text: string): string {
  return text
    .replace(/^--\n-- PostgreSQL database dump complete[^]*$/m, "")
    .replace(/^SET default_.*;$/gm, "")
    .trim();
}
