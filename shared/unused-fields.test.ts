import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { CREATE_FIELDS, CreateRequest } from "./create.ts";
import { CountsRequest } from "./counts.ts";
import { ENDPOINTS } from "./endpoints.ts";
import { ExplainRequest } from "./explain.ts";
import {
  fieldsOf,
  UNUSED_FIELDS,
  UNUSED_WITH_A_TOKEN,
  unusedOf,
} from "./unused-fields.ts";

const PAGE = new URL("../docs/fleet.md", import.meta.url);

/** Rows of the page's table, as `endpoint field`. */
function documented(): string[] {
  const page = readFileSync(PAGE, "utf8");
  const section =
    page.split("## Fields that are not used\n")[1]?.split("\n## ")[0] ?? "";
  return [...section.matchAll(/^\| `([\w-]+)` +\| (.+?) \|/gm)].flatMap(
    ([, endpoint, fields = ""]) =>
      [...fields.matchAll(/`(\w+)`/g)].map(([, field]) =>
        `${endpoint} ${field}`
      ),
  );
}

describe("UNUSED_FIELDS", () => {
  test("is what docs/fleet.md names, endpoint by endpoint", () => {
    const known = [
      ...Object.entries(UNUSED_FIELDS),
      ...Object.entries(UNUSED_WITH_A_TOKEN),
    ].flatMap(([endpoint, fields]) =>
      fields.map((field) => `${endpoint} ${field}`)
    );
    expect(documented().sort()).toEqual(known.sort());
  });

  test("names endpoints that are there", () => {
    for (const endpoint of Object.keys(UNUSED_FIELDS)) {
      expect(Object.keys(ENDPOINTS)).toContain(endpoint);
    }
  });
});

describe("fieldsOf()", () => {
  test("sees through what a schema does to its fields", () => {
    expect(fieldsOf(CountsRequest)).toContain("run_type");
    expect(fieldsOf(ExplainRequest)).toContain("worker_id");
    expect(fieldsOf(z.object({ a: z.string() }).transform(({ a }) => a)))
      .toEqual(new Set(["a"]));
  });

  test("says when it cannot know", () => {
    expect(fieldsOf(CreateRequest)).toBeUndefined();
    expect(CREATE_FIELDS).toEqual(
      expect.arrayContaining(["task_id", "family", "input", "tasks"]),
    );
  });
});

describe("unusedOf()", () => {
  test("is what is known to be unused, and what is not read", () => {
    const sent = ["run_type", "worker_pool", "anything"];
    const read = new Set(["run_type", "worker_pool"]);
    expect(unusedOf("task-counts", sent, read)).toEqual([
      "worker_pool",
      "anything",
    ]);
  });

  test("is what is known to be unused, where it is not known what is read", () => {
    expect(unusedOf("task-counts", ["worker_pool", "anything"], undefined))
      .toEqual(["worker_pool"]);
    expect(unusedOf("health", ["constructor"], undefined)).toEqual([]);
  });

  test("is more of a call with a token than of one with the service key", () => {
    const sent = ["worker_id", "same_model_only"];
    expect(unusedOf("claim-next-task", sent, undefined, true))
      .toEqual(["same_model_only"]);
    expect(unusedOf("claim-next-task", sent, undefined)).toEqual([]);
  });
});
