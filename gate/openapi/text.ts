import { openApiDocument } from "./document.ts";

/** The document as it is kept. */
export function openApiText(): string {
  return `${JSON.stringify(openApiDocument(), null, 2)}\n`;
}
