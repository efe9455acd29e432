import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { ENDPOINTS } from "../../shared/endpoints.ts";
import { Flag, name, optional, Uuid } from "../../shared/fields.ts";
import { jsonSchema } from "./document.ts";
import { httpApiText } from "./http-api.ts";
import { limitsOf, rowsOf, typeOf } from "./schema-text.ts";

const NOTES = new URL("../../shared/http-api-notes.md", import.meta.url);
const notes = readFileSync(NOTES, "utf8");

describe("docs/http-api.md", () => {
  it("has every endpoint under its name, or names it as another name of one", () => {
    const page = httpApiText();
    for (const endpoint of Object.keys(ENDPOINTS)) {
      const heading = page.includes(`\n## ${endpoint}\n`);
      const alias = page.includes(`Also answers as \`${endpoint}\``);
      expect(heading || alias, endpoint).toBe(true);
    }
  });

  it("tells what each field of a request means, but for a bare task_id", () => {
    const rows = httpApiText().matchAll(/^\| (`.*`) \| .* \| .* \| (.*) \|$/gm);
    const silent = [...rows].filter(([, , meaning]) => meaning === "")
      .map(([, field]) => field);
    expect(new Set(silent)).toEqual(
      new Set(["`task_id`", "`orchestrator_task_id`", "`shot_id`"]),
    );
  });

  it("tells the form of a reply once", () => {
    const page = httpApiText();
    expect(page).toContain("  tasks: /* as above */ object[]\n");
    expect(page.split("  idempotency_key: string | null").length).toBe(2);
  });

  it("is not written without the notes of an endpoint, or with those of none", () => {
    expect(() => httpApiText(notes.replace("\n## explain\n", "\n")))
      .toThrow("lacks [explain]");
    expect(() => httpApiText(`${notes}\n## nothing\n`))
      .toThrow("unknown [nothing]");
  });
});

describe("a contract in words", () => {
  const request = z.object({
    id: Uuid,
    label: optional(name(20)).meta({ description: "Its name" }),
    minutes: optional(z.number().min(1).max(1440)).meta({
      "x-unit": "minutes",
      default: 30,
    }),
    a: optional(Flag).describe("Same"),
    b: optional(Flag).describe("Same"),
  });

  it("has a row per field with its limits, unit and default; equal fields share one", () => {
    const rows = rowsOf([jsonSchema(request, "input")]);
    expect(rows.map(({ names, isRequired, schema }) => [
      names.join(),
      isRequired,
      limitsOf(schema),
      schema["default"],
    ])).toEqual([
      ["id", true, "UUID", undefined],
      ["label", false, "string, 1 to 20 characters", undefined],
      ["minutes", false, "number, 1 to 1,440; minutes", 30],
      ["a,b", false, "true or false", undefined],
    ]);
  });

  it("has a type per reply, with what its fields mean", () => {
    const reply = z.looseObject({
      id: z.guid().nullable().describe("Null: none"),
      parts: z.array(z.looseObject({ n: z.int().optional() })),
      by: z.record(z.string(), z.int()),
    });
    expect(typeOf(jsonSchema(reply, "output"))).toBe(
      [
        "{",
        "  id: UUID | null // Null: none",
        "  parts: {",
        "    n?: integer",
        "  }[]",
        "  by: { [key]: integer }",
        "}",
      ].join("\n"),
    );
  });
});
