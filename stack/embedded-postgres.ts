import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  constants,
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { embeddedPostgresDir, pgTapArchive } from "./paths.ts";

const cronDir = fileURLToPath(new URL("./cron/stand-in", import.meta.url));

// 1.6 is what hosted projects have. Migrations ask for the version.
const cronControl =
  `comment = 'Stand-in for pg_cron; a timer of the stack runs its jobs'
default_version = '1.6'
schema = pg_catalog
relocatable = false
`;

/**
 * Makes a copy of npm's Postgres with the two extensions that it lacks, pgTAP
 * and the stand-in for pg_cron, in a folder under `base`; returns that folder.
 *
 * A copy, because extensions have to lie among the server's own files: those of
 * npm are not ours to change, and another account may be unable to read them.
 */
export function installEmbeddedPostgres(
  base: string,
  packaged = embeddedPostgresDir(),
): string {
  // Named after what is in it: a change makes a new one.
  const installed = join(base, `postgres-17-${fingerprint(packaged)}`);
  if (existsSync(installed)) return installed;
  const unfinished = mkdtempSync(`${installed}-`);
  try {
    fill(unfinished, packaged);
    renameSync(unfinished, installed);
  } catch (error) {
    // Another process was quicker: a folder is renamed only over an empty one.
    if (!existsSync(installed)) throw error;
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
  return installed;
}

function fill(dir: string, packaged: string): void {
  cpSync(join(packaged, "native"), dir, {
    recursive: true,
    verbatimSymlinks: true,
    mode: constants.COPYFILE_FICLONE,
  });
  linkLibraries(dir);
  const extensions = "share/postgresql/extension";
  execFileSync("tar", ["-xzf", pgTapArchive(), "-C", dir, extensions]);
  writeFileSync(join(dir, extensions, "pg_cron.control"), cronControl);
  writeFileSync(join(dir, extensions, "pg_cron--1.6.sql"), cronSql());
  // For Postgres' own account, whatever our umask is.
  execFileSync("chmod", ["-R", "a+rX", dir]);
}

const Links = z.array(z.object({ source: z.string(), target: z.string() }));

/** npm packages hold no links, and install scripts, which make them, may be off. */
function linkLibraries(dir: string): void {
  const list = readFileSync(join(dir, "pg-symlinks.json"), "utf8");
  for (const { source, target } of Links.parse(JSON.parse(list))) {
    const path = join(dir, relative("native", target));
    if (!existsSync(path)) symlinkSync(relative(dirname(target), source), path);
  }
}

function cronSql(): string {
  const files = readdirSync(cronDir).filter((name) => name.endsWith(".sql"));
  return files.sort().map((name) => readFileSync(join(cronDir, name), "utf8"))
    .join("\n");
}

function fingerprint(packaged: string): string {
  const hash = createHash("sha256").update(cronControl).update(cronSql());
  for (const file of [join(packaged, "package.json"), pgTapArchive()]) {
    hash.update(readFileSync(file));
  }
  return hash.digest("hex").slice(0, 12);
}
