import { type Share, texts } from "./shares.ts";

/** With what every migration begins. */
interface Story {
  readonly what: string;
  readonly why: string;
  readonly backOut: string;
}

const PATIENCE = "set lock_timeout = '900ms';\n";

/** As long as it takes: nobody waits for whoever waits so. */
const ENDLESS_PATIENCE =
  `-- It waits for transactions that were there before; nobody waits for it.
set lock_timeout = 0;
set statement_timeout = 0;
`;

/** The first lines of a migration that is one short transaction. */
export function head({ what, why, backOut }: Story): string {
  return `-- What: ${what}
-- Why: ${why}
-- Back out: ${backOut}
-- Written by \`npm run migrations\`, from supabase/schemas.

${PATIENCE}`;
}

/** Takes tables; what does not need them is made before. */
export function lock(names: Iterable<string>): string {
  const list = [...new Set(names)].sort().map((name) => `\n  '${name}'`);
  return `\nselect fairlane_core.lock_tables(${list.join(",")}\n);\n`;
}

/** Indexes, built while their tables are in use; what was cut is built anew. */
export function concurrent(story: Story, shares: readonly Share[]): string {
  const made = texts(shares).replaceAll(
    /^create (unique )?index (?=\w)/gm,
    (_, unique = "") => `create ${unique}index concurrently if not exists `,
  );
  const tables = [...made.matchAll(/\bon (public\.\w+)/g)]
    .map(([, name = ""]) => name);
  const unfinished = [...new Set(tables)].sort()
    .map((table) =>
      `select fairlane_core.drop_unfinished_indexes('${table}');\n`
    );
  return head(story).replace(PATIENCE, ENDLESS_PATIENCE) +
    `\n${unfinished.join("")}${made}`;
}

/** Words with commas between, in lines of up to 120 characters. */
export function wrapped(words: readonly string[], indent: string): string {
  const lines: string[] = [];
  for (const word of words) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + word.length < 116) {
      lines[lines.length - 1] = `${last}, ${word}`;
    } else lines.push(`${indent}${word}`);
  }
  return lines.join(",\n");
}
