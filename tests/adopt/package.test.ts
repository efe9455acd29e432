import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { checkoutDir } from "../../stack/paths.ts";
import { run } from "../../stack/run.ts";
import { installCommand, type InstalledCommand } from "./installed-command.ts";

const MODULES = join(checkoutDir, "node_modules");
const MOST_BYTES = 2 * 1024 * 1024;

let fairlane: InstalledCommand;
let home: string;
beforeAll(async () => {
  fairlane = await installCommand();
  home = mkdtempSync(join(tmpdir(), "fairlane package "));
}, 300_000);
afterAll(() => {
  fairlane?.discard();
  if (home) rmSync(home, { recursive: true, force: true });
});

describe("the package", () => {
  it("is small, and holds what users need and nothing else", () => {
    expect(fairlane.packedBytes).toBeLessThanOrEqual(MOST_BYTES);
    expect(fairlane.files.filter((name) => !name.includes("/"))).toEqual([
      ...["LICENSE", "NOTICE", "README.md", "assets", "bin", "client"],
      ...["package.json", "types"],
    ]);
    expect(fairlane.files.filter((name) => /\btests?\b|\.map$/.test(name)))
      .toEqual([]);
  });

  it("brings a client that runs by itself", async () => {
    const ran = await node(`
      import { createQueueClient } from "fairlane/client";
      import { runWorker } from "fairlane/worker";
      const client = createQueueClient({ url: "http://127.0.0.1:1", key: "k" });
      console.log(typeof client.claim, typeof runWorker);
    `);
    expect(ran, ran.output).toMatchObject({ code: 0 });
    expect(ran.output).toContain("function function");
  });

  it("has types that know a worker from what is none", async () => {
    const checked = await tsc({
      "worker.ts": workerWith(
        `async () => ({ output_location: "https://x.test/1.mp4" })`,
      ),
      "no-result.ts": workerWith("async () => 7"),
      "no-promise.ts": workerWith(
        `(task) => ({ output_location: task.task_id })`,
      ),
    });
    const complaints = checked.output.matchAll(/^([\w-]+\.ts)\(\d/gm);
    expect([...complaints].map(([, file]) => file).toSorted(), checked.output)
      .toEqual(["no-promise.ts", "no-result.ts"]);
  });
});

function workerWith(handle: string): string {
  return `
    import { createQueueClient, type QueueClient } from "fairlane/client";
    import { runWorker } from "fairlane/worker";
    const client: QueueClient = createQueueClient({ url: "https://x.test", key: "k" });
    const { task_id }: { task_id: string } = await client.create({ task_type: "render", params: { n: 1 } });
    console.log(task_id);
    await runWorker({ client, workerId: "w", stop: new AbortController().signal, handle: ${handle} });
  `;
}

/** How each package manager adds a tarball without a network, and runs a command. */
const MANAGERS = {
  "pnpm": {
    program: join(MODULES, "pnpm", "bin", "pnpm.cjs"),
    add: (tarball: string) => ["add", "--save-dev", "--offline", tarball],
    exec: ["exec", "fairlane"],
    files: {},
  },
  "yarn, which keeps packages packed": {
    program: join(MODULES, "@yarnpkg", "cli-dist", "bin", "yarn.js"),
    add: (tarball: string) => ["add", "--dev", `fairlane@file:${tarball}`],
    exec: ["fairlane"],
    files: { "yarn.lock": "", ".yarnrc.yml": "nodeLinker: pnp\n" },
  },
  "yarn, with node_modules": {
    program: join(MODULES, "@yarnpkg", "cli-dist", "bin", "yarn.js"),
    add: (tarball: string) => ["add", "--dev", `fairlane@file:${tarball}`],
    exec: ["fairlane"],
    files: { "yarn.lock": "", ".yarnrc.yml": "nodeLinker: node-modules\n" },
  },
};

describe.each(Object.entries(MANAGERS))("with %s", (name, manager) => {
  it("is installed from the tarball, and writes the same files", async () => {
    const root = join(home, name);
    write(root, { "package.json": '{ "private": true }', ...manager.files });
    const added = await call(...manager.add(fairlane.tarball));
    expect(added, added.output).toMatchObject({ code: 0 });
    const made = await call(...manager.exec, "init", "--yes");
    expect(made, made.output).toMatchObject({ code: 0 });

    const byNpm = join(home, `npm beside ${name}`);
    mkdirSync(byNpm);
    await fairlane.run(byNpm, "init", "--yes");
    expect(ours(root)).toEqual(ours(byNpm));

    function call(...args: string[]): ReturnType<typeof run> {
      return run(process.execPath, [manager.program, ...args], {
        cwd: root,
        env: {
          ...process.env,
          YARN_ENABLE_TELEMETRY: "0",
          YARN_ENABLE_NETWORK: "0",
          YARN_GLOBAL_FOLDER: join(home, "yarn"),
          PNPM_HOME: join(home, "pnpm"),
          npm_config_store_dir: join(home, "pnpm", "store"),
        },
      });
    }
  });
});

/** What `init` wrote into a folder; the migration without its time. */
function ours(root: string): string[] {
  return readdirSync(root, { recursive: true, encoding: "utf8" })
    .filter((name) => /^(?:supabase|fairlane-worker)\b/.test(name))
    .map((name) => name.replace(/\d{14}/, "<time>"))
    .toSorted();
}

/** Runs a module in the folder that has the package. */
function node(text: string): ReturnType<typeof run> {
  write(fairlane.userDir, { "try.mjs": text });
  return run(process.execPath, ["try.mjs"], { cwd: fairlane.userDir });
}

/** Checks programs against the package's types, which need zod's. */
function tsc(
  programs: Readonly<Record<string, string>>,
): ReturnType<typeof run> {
  write(fairlane.userDir, programs);
  symlinkSync(
    join(MODULES, "zod"),
    join(fairlane.userDir, "node_modules", "zod"),
  );
  return run(process.execPath, [
    join(MODULES, "typescript", "bin", "tsc"),
    ...["--noEmit", "--strict", "--target", "es2022", "--module", "nodenext"],
    ...["--types", "node", "--typeRoots", join(MODULES, "@types")],
    ...Object.keys(programs),
  ], { cwd: fairlane.userDir });
}

function write(root: string, files: Readonly<Record<string, string>>): void {
  mkdirSync(root, { recursive: true });
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(root, name), text);
  }
}
