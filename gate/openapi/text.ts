import { OPENAPI_FILE, openApiDocument } from "./document.ts";
import { HTTP_API_FILE, httpApiText } from "./http-api.ts";

/** What `npm run openapi` writes, by file. */
export const WRITTEN: Readonly<Record<string, () => string>> = {
  [OPENAPI_FILE]: () => `${JSON.stringify(openApiDocument(), null, 2)}\n`,
  [HTTP_API_FILE]: () => httpApiText(),
};
