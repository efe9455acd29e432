import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { checkoutDir } from "../../stack/paths.ts";
import { generatedMigrations, superfluousMigrations } from "./generated.ts";
import { guestMigration } from "./guest.ts";
import { versionFiles } from "./version.ts";

// npm run migrations: writes the version where it is known, then those
// migrations that follow from the schema files. With `-- guest <file>` only
// the one migration of the guest profile, into that file.

const [profile, file] = process.argv.slice(2);
if (profile === undefined) {
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
} else if (profile === "guest" && file !== undefined) {
  writeFileSync(file, guestMigration(checkoutDir));
  console.log(`Wrote ${file}`);
} else {
  console.error("npm run migrations [-- guest <file>]");
  process.exitCode = 2;
}
