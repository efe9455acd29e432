import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  checkoutDir,
  supabaseDir,
  supabaseProgram,
} from "../../stack/paths.ts";
import { run } from "../../stack/run.ts";
import { readSupabaseConfig } from "../../stack/supabase-config.ts";
import { importedFiles } from "./imported-files.ts";
import { type ManagementApi, startManagementApi } from "./management-api.ts";

// `supabase functions deploy` uploads only the files it finds by reading the
// imports. What it misses is missed by nobody until a deployed function fails to
// boot, so here the real command deploys to a server of ours.
const functions = [...readSupabaseConfig(supabaseDir).functions.values()];
let api: ManagementApi;
let home: string;
let output: string;

beforeAll(async () => {
  api = await startManagementApi();
  home = mkdtempSync(join(tmpdir(), "deploy-"));
  const profile = join(home, "profile.yaml");
  writeFileSync(
    profile,
    `name: test
api_url: ${api.url}
dashboard_url: ${api.url}
project_host: supabase.test
`,
  );
  const finished = await run(supabaseProgram(), [
    "functions",
    "deploy",
    "--use-api",
    "--yes",
    `--profile=${profile}`,
    `--remote=${"a".repeat(20)}`,
  ], {
    cwd: checkoutDir,
    env: {
      PATH: process.env["PATH"],
      HOME: home,
      SUPABASE_HOME: home,
      SUPABASE_ACCESS_TOKEN: `sbp_${"0".repeat(40)}`,
      DO_NOT_TRACK: "1",
    },
  });
  output = finished.output;
  expect(finished.code, output).toBe(0);
});
afterAll(async () => {
  await api.stop();
  rmSync(home, { recursive: true });
});

describe("supabase functions deploy", () => {
  it("uploads every function of config.toml and no other", () => {
    const uploaded = api.uploads.map((upload) => upload.slug);
    expect(uploaded.sort(), output)
      .toEqual(functions.map((config) => config.name).sort());
  });

  it.each(functions)("uploads all that $name imports and no more", (config) => {
    const upload = api.uploads.find((upload) => upload.slug === config.name);
    const needed = [...importedFiles(config.entrypoint)];
    if (config.denoConfig) needed.push(config.denoConfig);
    expect(upload?.files)
      .toEqual(needed.map((file) => relative(checkoutDir, file)).sort());
  });

  it.each(functions)("names entry and import map of $name", (config) => {
    const upload = api.uploads.find((upload) => upload.slug === config.name);
    expect(upload?.metadata).toMatchObject({
      verify_jwt: config.verifyJwt,
      entrypoint_path: relative(checkoutDir, config.entrypoint),
      import_map_path: relative(checkoutDir, config.denoConfig ?? ""),
    });
  });

  it("uploads no tests and no environment files", () => {
    const names = api.uploads.flatMap((upload) => upload.files);
    expect(names.filter((name) => /\.test\.|_test\/|\.env/.test(name)))
      .toEqual([]);
  });
});
