import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import type { Manifest } from "../../cli/package.ts";
import { buildPackage } from "../../gate/package/build.ts";
import { checkoutDir } from "../../stack/paths.ts";
import { run, runOrThrow } from "../../stack/run.ts";

/** The command as users have it: packed, and installed from the tarball. */
export interface InstalledCommand {
  /** Bytes of the tarball. */
  readonly packedBytes: number;
  /** What is in the package, relative to it. */
  readonly files: readonly string[];
  readonly tarball: string;
  /** The folder that it was installed into. */
  readonly userDir: string;
  /** Runs it in a project; what it printed, and its exit code. */
  run(project: string, ...args: string[]): ReturnType<typeof run>;
  /** The same in the version to come, which has a migration more. */
  next(project: string, ...args: string[]): ReturnType<typeof run>;
  /** The example worker of the version to come, which says more than this one's functions know. */
  readonly nextWorkerDir: string;
  discard(): void;
}

/** A migration that adds something which can be seen. */
const NEXT = `create function fairlane_core.of_the_next_version()
returns integer
language sql
immutable
set search_path = ''
as 'select 1';
revoke execute on function fairlane_core.of_the_next_version() from public;
`;

/** Packs the package and installs it, offline, into a folder with a space. */
export async function installCommand(): Promise<InstalledCommand> {
  const home = mkdtempSync(join(tmpdir(), "fairlane adopt "));
  const packed = join(home, "package");
  await buildPackage(checkoutDir, packed);
  await runOrThrow("npm pack", "npm", ["pack", "--pack-destination", home], {
    cwd: packed,
  });
  const tarball = readdirSync(home).find((name) => name.endsWith(".tgz")) ?? "";
  const user = join(home, "some app");
  mkdirSync(user);
  writeFileSync(join(user, "package.json"), '{ "type": "module" }');
  await runOrThrow("npm install", "npm", [
    ...["install", "--offline", "--no-audit", "--no-fund"],
    join(home, tarball),
  ], { cwd: user });

  const packageDir = join(user, "node_modules", "fairlane");
  const nextDir = join(home, "next");
  cpSync(packageDir, nextDir, { recursive: true });
  toNextVersion(nextDir);
  const command = (dir: string) => (project: string, ...args: string[]) =>
    run(process.execPath, [join(dir, "bin", "fairlane.js"), ...args], {
      cwd: project,
    });
  return {
    packedBytes: readFileSync(join(home, tarball)).length,
    files: readdirSync(packageDir, { recursive: true, encoding: "utf8" })
      .toSorted(),
    tarball: join(home, tarball),
    userDir: user,
    run: command(packageDir),
    next: command(nextDir),
    nextWorkerDir: join(nextDir, "assets", "worker"),
    discard: () => rmSync(home, { recursive: true, force: true }),
  };
}

function toNextVersion(dir: string): void {
  const edit = (path: string, change: (text: string) => string) => {
    const file = join(dir, "assets", path);
    writeFileSync(file, change(readFileSync(file, "utf8")));
  };
  edit("manifest.json", (text) => {
    const { version, migrations } = JSON.parse(text) as Manifest;
    const next = { number: "0002", name: "next", effect: "adds a function" };
    return JSON.stringify({
      version: version.replace(/\d+$/, (patch) => `${Number(patch) + 1}`),
      migrations: [...migrations, next],
    });
  });
  edit("worker/worker.py", (text) => {
    const [body, more] = [
      "json.dumps(body,",
      'json.dumps({**body, "mood": 1},',
    ];
    if (!text.includes(body)) throw new Error(`worker.py lacks ${body}`);
    return text.replace(body, more);
  });
  edit("function/index.js", (text) => text.replace("Fairlane ", "Fairlane 9."));
  writeFileSync(join(dir, "assets", "migrations", "0002.sql"), NEXT);
}
