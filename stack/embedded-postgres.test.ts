import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { installEmbeddedPostgres } from "./embedded-postgres.ts";

let base: string;
let installed: string;

beforeAll(() => {
  base = mkdtempSync(join(tmpdir(), "embedded postgres-"));
  installed = installEmbeddedPostgres(base);
});

afterAll(() => rmSync(base, { recursive: true, force: true }));

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
    expect(installEmbeddedPostgres(base)).toBe(installed);
    expect(readdirSync(base).map((name) => join(base, name)))
      .toEqual([installed]);
  });
});
