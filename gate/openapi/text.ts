import { OPENAPI_FILE, openApiDocument } from "./document.ts";
import { HTTP_API_FILE, httpApiText } from "./http-api.ts";

/** What `npm run openapi` writes, by file. */
export const WRITTEN: Readonly<Record<string, () => string>> = {
  [OPENAPI_FILE]: () => `${jsonText(openApiDocument())}\n`,
  [HTTP_API_FILE]: () => httpApiText(),
};

const WIDTH = 110;

/** JSON in which everything that fits a line has only one. */
function jsonText(value: unknown, indent = "", before = ""): string {
  const line = JSON.stringify(value, null, 1)?.replace(/\n\s*/g, " ");
  const rest = indent.length + before.length + line.length;
  if (!(value instanceof Object) || rest <= WIDTH) return before + line;
  const deeper = `${indent}  `;
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  const parts = Array.isArray(value)
    ? value.map((one) => jsonText(one, deeper))
    : Object.entries(value).filter(([, one]) => one !== undefined)
      .map(([key, one]) => jsonText(one, deeper, `${JSON.stringify(key)}: `));
  return `${before}${open}\n${deeper}${
    parts.join(`,\n${deeper}`)
  }\n${indent}${close}`;
}
