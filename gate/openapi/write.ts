import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { checkoutDir } from "../../stack/paths.ts";
import { OPENAPI_FILE } from "./document.ts";
import { openApiText } from "./text.ts";

// npm run openapi: writes the OpenAPI document of the endpoints.

writeFileSync(join(checkoutDir, OPENAPI_FILE), openApiText());
console.log(`Wrote ${OPENAPI_FILE}`);
