import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { checkoutDir as root } from "../../stack/paths.ts";

// What a page names is there. Not in docs/adr: decisions also tell of what is gone.

const PAGES = [".", "docs"].flatMap((folder) =>
  readdirSync(join(root, folder))
    .filter((name) => name.endsWith(".md"))
    .map((name) => join(folder, name))
);
const SCHEMAS = join(root, "supabase", "schemas");
const sql = readdirSync(SCHEMAS, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".sql"))
  .map((name) => readFileSync(join(SCHEMAS, name), "utf8"))
  .join("\n");

/** The names on a page that nothing has: of schema fairlane_core, and of files. */
function lost(text: string): string[] {
  const words = new Set(sql.match(/\w+/g));
  const objects = [...text.matchAll(/\bfairlane_core\.([a-z_]+)\b/g)]
    .filter(([, name = ""]) => !words.has(name))
    .map(([whole]) => whole);
  const paths =
    /`((?:supabase|shared|gate|tests|stack|demo|bench|docs)\/[\w./-]+\.\w+)`/g;
  const files = [...text.matchAll(paths)].map(([, file = ""]) => file)
    .filter((file) => !existsSync(join(root, file)));
  return [...objects, ...files];
}

test("what a document names of the schema and of the files is there", () => {
  const broken = PAGES.flatMap((page) =>
    lost(readFileSync(join(root, page), "utf8"))
      .map((name) => `${page}: ${name}`)
  );
  expect(broken).toEqual([]);
});

test("a name that nothing has is found", () => {
  expect(
    lost(
      "`fairlane_core.user_slots`, `fairlane_core.no_such_thing()`, `docs/concepts.md`, `docs/none.md`",
    ),
  )
    .toEqual(["fairlane_core.no_such_thing", "docs/none.md"]);
});
