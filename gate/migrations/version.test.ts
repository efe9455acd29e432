import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { checkoutDir } from "../../stack/paths.ts";
import { copyToRelease } from "./example-release.ts";
import { staleMigrations } from "./generated.ts";
import { versionFiles } from "./version.ts";

test("a new version in package.json makes the files that know it stale", () => {
  const root = copyToRelease(checkoutDir);
  try {
    writeFileSync(join(root, "package.json"), '{"version": "0.8.9"}');
    const files = versionFiles(root);
    expect(files.every(({ text }) => text.includes("0.8.9"))).toBe(true);
    expect(staleMigrations(root)).toEqual(
      files.map(({ path }) =>
        `${path} is out of date: run "npm run migrations"`
      ),
    );
  } finally {
    rmSync(root, { recursive: true });
  }
});
