import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { z } from "zod";

const read = (path: string): unknown =>
  JSON.parse(readFileSync(new URL(path, import.meta.url), "utf8"));

const { imports } = z.object({ imports: z.record(z.string(), z.string()) })
  .parse(read("../deno.json"));
const { devDependencies } = z.object({
  devDependencies: z.record(z.string(), z.string()),
}).parse(read("../../../package.json"));

test.each(Object.entries(imports))(
  "deno.json and package.json pin the same version of %s",
  (name, specifier) => {
    expect(specifier).toMatch(/^npm:@?[^@]+@\d+\.\d+\.\d+$/);
    expect(specifier).toBe(`npm:${name}@${devDependencies[name]}`);
  },
);

test("deno.json pins these packages and no others", () => {
  expect(Object.keys(imports).toSorted())
    .toEqual(["@supabase/storage-js", "jose", "postgres", "zod"]);
});
