import { execFile } from "node:child_process";
import { delimiter, dirname, join } from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import { isOlderThan } from "../../shared/version.ts";
import type { Examination } from "../finding.ts";

/** The first whose commands take a target by `--remote`. */
const OLDEST_CLI = "3.0.0";

/** Asks the Supabase CLI that a script of the project would find for its version. */
export async function examineSupabaseCli(root: string): Promise<Examination> {
  let version: string;
  try {
    const { stdout } = await promisify(execFile)("supabase", ["--version"], {
      env: { ...process.env, PATH: pathOf(root), DO_NOT_TRACK: "1" },
      timeout: 30_000,
    });
    version = /\d+\.\d+\.\d+/.exec(stdout)?.[0] ?? "";
  } catch {
    version = "";
  }
  if (version === "") {
    return {
      findings: [],
      notLookedAt: [
        "The version of the Supabase CLI: it is neither in node_modules nor on the PATH",
      ],
    };
  }
  return {
    findings: isOlderThan(version, OLDEST_CLI)
      ? [{
        code: "cli-too-old",
        severity: "note",
        what:
          `The Supabase CLI is ${version}; the commands that fairlane prints are those of ${OLDEST_CLI} and later`,
        remedy:
          "npm install --save-dev supabase@3, or leave out --remote: until then it was the default",
      }]
      : [],
    notLookedAt: [],
  };
}

/** As in a script of package.json: what the project has installed comes first. */
function pathOf(root: string): string {
  const folders: string[] = [];
  for (let dir = root;; dir = dirname(dir)) {
    folders.push(join(dir, "node_modules", ".bin"));
    if (dir === dirname(dir)) break;
  }
  return [...folders, process.env["PATH"] ?? ""].join(delimiter);
}
