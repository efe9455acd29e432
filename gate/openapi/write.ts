import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { checkoutDir } from "../../stack/paths.ts";
import { WRITTEN } from "./text.ts";

// npm run openapi: writes what is told of the endpoints, for machines and for
// readers.

for (const [file, text] of Object.entries(WRITTEN)) {
  writeFileSync(join(checkoutDir, file), text());
  console.log(`Wrote ${file}`);
}
