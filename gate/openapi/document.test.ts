import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { ENDPOINTS } from "../../shared/endpoints.ts";
import { supabaseDir } from "../../stack/paths.ts";
import { openApiDocument } from "./document.ts";

const FOLDERS = readdirSync(join(supabaseDir, "functions"), {
  withFileTypes: true,
}).filter((entry) => entry.isDirectory() && !entry.name.startsWith("_"))
  .map((entry) => entry.name);

const Document = z.looseObject({
  paths: z.record(
    z.string(),
    z.object({
      post: z.looseObject({ responses: z.record(z.string(), z.unknown()) }),
    }),
  ),
});

describe("openApiDocument()", () => {
  it("describes every function and no other, but for the router over all of them", () => {
    expect([...Object.keys(ENDPOINTS), "fairlane"].toSorted())
      .toEqual(FOLDERS.toSorted());
  });

  it("says of each what it answers and how it refuses", () => {
    const { paths } = Document.parse(openApiDocument());
    for (const [path, { post }] of Object.entries(paths)) {
      const statuses = Object.keys(post.responses);
      expect(statuses, path).toEqual(
        expect.arrayContaining(["400", "401", "403", "413", "500", "503"]),
      );
      const answers = path === "/update-shot-pair-prompts" ? "501" : "200";
      expect(statuses, path).toContain(answers);
    }
    expect(paths["/claim-next-task"]?.post.responses).toHaveProperty("204");
  });

  it("refers to nothing that is not there", () => {
    const document = openApiDocument();
    const references = JSON.stringify(document).matchAll(/"\$ref":"#\/(.*?)"/g);
    for (const [, pointer = ""] of references) {
      const target = pointer.split("/").reduce<unknown>(
        (value, key) => z.looseObject({}).parse(value)[key],
        document,
      );
      expect(target, pointer).toBeDefined();
    }
  });
});
