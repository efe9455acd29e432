import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { checkoutDir } from "../../stack/paths.ts";
import { staleMigrations } from "./generated.ts";
import { versionFiles } from "./version.ts";

test("a new version in package.json makes the files that know it stale", () => {
  const root = mkdtempSync(join(tmpdir(), "version-"));
  try {
    for (const folder of ["schemas", "migrations"]) {
      cpSync(
        join(checkoutDir, "supabase", folder),
        join(root, "supabase", folder),
        { recursive: true },
      );
    }
    mkdirSync(join(root, "shared"));
    writeFileSync(join(root, "package.json"), '{"version": "7.8.9"}');
    const files = versionFiles(root);
    expect(files.every(({ text }) => text.includes("7.8.9"))).toBe(true);
    expect(staleMigrations(root)).toEqual(
      files.map(({ path }) =>
        `${path} is out of date: run "npm run migrations"`
      ),
    );
  } finally {
    rmSync(root, { recursive: true });
  }
});
