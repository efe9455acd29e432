import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { checkoutDir } from "../../stack/paths.ts";
import { generatedMigrations } from "./generated.ts";

// npm run migrations: writes those migrations that follow from the schema files.

for (const { path, text } of generatedMigrations(checkoutDir)) {
  writeFileSync(join(checkoutDir, path), text);
  console.log(`Wrote ${path}`);
}
