import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { supabaseDir } from "./paths.ts";
import { readSupabaseConfig } from "./supabase-config.ts";

let dir: string;
beforeEach(() => dir = mkdtempSync(join(tmpdir(), "config ")));
afterEach(() => rmSync(dir, { recursive: true }));

function write(path: string, text: string): void {
  mkdirSync(join(dir, path, ".."), { recursive: true });
  writeFileSync(join(dir, path), text);
}

describe("readSupabaseConfig()", () => {
  it("uses the CLI's defaults where nothing is said", () => {
    write("functions/hello/index.ts", "");
    const { api, functions } = readSupabaseConfig(dir);
    expect(api).toEqual({
      schemas: ["public", "graphql_public"],
      extraSearchPath: ["public", "extensions"],
      maxRows: 1000,
      exposeNewTables: true,
    });
    expect([...functions.values()]).toEqual([{
      name: "hello",
      verifyJwt: true,
      entrypoint: join(dir, "functions/hello/index.ts"),
      denoConfig: undefined,
    }]);
  });

  it("reads what config.toml says, paths relative to it", () => {
    write(
      "config.toml",
      `[api]
max_rows = 7
auto_expose_new_tables = false
[functions.hello]
verify_jwt = false
import_map = "./functions/deno.json"
entrypoint = "./functions/other/main.ts"`,
    );
    const { api, functions } = readSupabaseConfig(dir);
    expect(api).toMatchObject({ maxRows: 7, exposeNewTables: false });
    expect(functions.get("hello")).toEqual({
      name: "hello",
      verifyJwt: false,
      entrypoint: join(dir, "functions/other/main.ts"),
      denoConfig: join(dir, "functions/deno.json"),
    });
  });

  it("leaves out disabled functions and shared folders", () => {
    write("config.toml", "[functions.off]\nenabled = false");
    write("functions/off/index.ts", "");
    write("functions/_shared/index.ts", "");
    expect(readSupabaseConfig(dir).functions.size).toBe(0);
  });

  it("names the file and the field when a value is wrong", () => {
    write("config.toml", '[api]\nmax_rows = "many"');
    expect(() => readSupabaseConfig(dir)).toThrow(/config\.toml[^]*max_rows/);
  });

  it("finds every function of the project, each open to any caller", () => {
    const { api, functions } = readSupabaseConfig(supabaseDir);
    expect([...functions.keys()].sort()).toEqual([
      "beat",
      "cancel-tasks",
      "claim-next-task",
      "complete-task",
      "complete_task",
      "create-task",
      "explain",
      "fairlane",
      "generate-upload-url",
      "get-completed-segments",
      "get-orchestrator-children",
      "get-predecessor-output",
      "get-task-output",
      "get-task-status",
      "health",
      "mark-task-failed",
      "sweep-files",
      "task-counts",
      "update-shot-pair-prompts",
      "update-task-status",
      "update-worker-model",
      "worker-health",
    ]);
    for (const config of functions.values()) {
      expect(config.verifyJwt).toBe(false);
      expect(config.denoConfig).toBe(join(supabaseDir, "functions/deno.json"));
    }
    expect(api.exposeNewTables).toBe(false);
  });
});
