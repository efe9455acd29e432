import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { checkoutDir } from "../../stack/paths.ts";
import { generatedMigrations, superfluousMigrations } from "./generated.ts";
import { versionFiles } from "./version.ts";

// npm run migrations: writes the version where it is known, then those
// migrations that follow from the schema files.

for (const files of [versionFiles, generatedMigrations]) {
  for (const { path, text } of files(checkoutDir)) {
    writeFileSync(join(checkoutDir, path), text);
    console.log(`Wrote ${path}`);
  }
}
for (const path of superfluousMigrations(checkoutDir)) {
  rmSync(join(checkoutDir, path));
  console.log(`Removed ${path}`);
}
