import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { examineSupabaseCli } from "./supabase-cli.ts";

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "supabase cli "));
  // Nothing of this machine but the shell that the stand-in needs.
  vi.stubEnv("PATH", "/bin");
});
afterEach(() => rmSync(home, { recursive: true }));

/** Puts a CLI that tells this version, or fails, into the project's parent. */
async function found(says: string) {
  const bin = join(home, "node_modules", ".bin");
  mkdirSync(bin, { recursive: true });
  writeFileSync(join(bin, "supabase"), `#!/bin/sh\n${says}\n`);
  chmodSync(join(bin, "supabase"), 0o755);
  const { findings, notLookedAt } = await examineSupabaseCli(
    join(home, "packages", "app"),
  );
  return [...findings.map(({ code }) => code), ...notLookedAt.map(() => "-")];
}

it.each([
  ["echo 2.122.1", ["cli-too-old"]],
  ["echo 3.0.0", []],
  ["echo supabase 10.1.0", []],
  ["echo; exit 1", ["-"]],
  ["echo unknown", ["-"]],
])("%s", async (says, codes) => {
  expect(await found(says)).toEqual(codes);
});

it("is not looked at where there is none", async () => {
  expect((await examineSupabaseCli(home)).notLookedAt).toHaveLength(1);
});
