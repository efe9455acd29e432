import { randomUUID } from "node:crypto";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { describeCatalog } from "../../gate/equality/catalog.ts";
import { differences } from "../../gate/equality/differences.ts";
import {
  makeThrowAwayDatabase,
  type ThrowAwayDatabase,
} from "../../gate/equality/throw-away-database.ts";
import { query } from "../../gate/query.ts";
import { functionEnvironment } from "../../stack/function-env.ts";
import { startFunction } from "../../stack/function-process.ts";
import { secretKey, signJwt } from "../../stack/keys.ts";
import { checkoutDir, supabaseProgram } from "../../stack/paths.ts";
import { run } from "../../stack/run.ts";
import { stackAddresses } from "../../stack/stack-addresses.ts";
import { readSupabaseConfig } from "../../stack/supabase-config.ts";
import { size } from "../support/size.ts";
import { installCommand, type InstalledCommand } from "./installed-command.ts";
import { PROJECTS } from "./projects.ts";

const OURS = /\bfairlane(?:_core)?\b/;

let fairlane: InstalledCommand;
beforeAll(async () => {
  fairlane = await installCommand();
});
afterAll(() => fairlane?.discard());

describe.each(PROJECTS.slice(0, size(2, 6)))("in $name", ({ files }) => {
  let root: string;
  let database: ThrowAwayDatabase;
  let appBefore: Awaited<ReturnType<typeof describeCatalog>>;
  const user = randomUUID();
  const jwt = signJwt({ role: "authenticated", sub: user, exp: 4e9 });
  beforeAll(async () => {
    root = join(mkdtempSync(join(tmpdir(), "adopting ")), "the app");
    mkdirSync(root);
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
    const workDir = join(checkoutDir, ".stack", "adopt");
    mkdirSync(workDir, { recursive: true });
    database = await makeThrowAwayDatabase(workDir, "app", true);
    if (Object.keys(files).length > 0) await push();
    appBefore = await describeCatalog(database.url);
  });
  afterAll(async () => {
    await database?.discard();
    rmSync(dirname(root), { recursive: true, force: true });
  });

  it("shows what it would do, and does nothing unasked", async () => {
    const planned = await fairlane.run(root, "init", "--dry-run");
    expect(planned, planned.output).toMatchObject({ code: 0 });
    expect(planned.output).toMatch(/create .*_fairlane_0001_schema\.sql/);
    const unasked = await fairlane.run(root, "init");
    expect(unasked.code).toBe(1);
    expect(contents(root)).toEqual(files);
  });

  it("adds the queue, and changes nothing else", async () => {
    const looked = ["--db-url", database.url];
    const made = await fairlane.run(root, "init", "--yes", ...looked);
    expect(made, made.output).toMatchObject({ code: 0 });
    expect(withoutOurs(contents(root))).toEqual(withoutOurs(files));
    const added = contents(root);
    const again = await fairlane.run(root, "init", "--yes");
    expect(again.output).toContain("Nothing to do");
    expect(contents(root)).toEqual(added);

    await push();
    expect(await changesOfTheApp()).toEqual([]);
    const doctor = await fairlane.run(root, "doctor", ...looked);
    expect(doctor, doctor.output).toMatchObject({ code: 0 });
  });

  it("runs a task of somebody who has just signed up", async () => {
    await query(
      database.url,
      `insert into auth.users (id) values ('${user}')`,
    );
    await withFunction(async (address) => {
      const task = await create(address);
      const worked = await work(join(root, "fairlane-worker"), address);
      expect(worked, worked.output).toMatchObject({ code: 0 });
      expect(await status(address, task)).toBe("Complete");
    });
  });

  it("is upgraded while work runs, though the app went on", async () => {
    await withFunction(async (address) => {
      const running = await create(address);
      const claimed = await call(address, "claim-next-task", secretKey, {
        worker_id: "worker",
      });

      const own = "supabase/migrations/20990601000000_later.sql";
      writeFileSync(
        join(root, own),
        "create table public.of_later (id bigint primary key);",
      );
      await push();
      appBefore = await withoutUs();
      const upgraded = await fairlane.next(root, "upgrade", "--yes");
      expect(upgraded, upgraded.output).toMatchObject({ code: 0 });
      await push();
      expect(
        await query(
          database.url,
          "select fairlane_core.of_the_next_version() as one",
        ),
      ).toEqual([{ one: 1 }]);
      expect(await changesOfTheApp()).toEqual([]);

      // The older function with the younger schema, for the task that ran meanwhile
      await call(address, "complete-task", secretKey, {
        task_id: running,
        lease_token: claimed["lease_token"],
        output_location: "https://files.test/1.mp4",
      });
      expect(await status(address, running)).toBe("Complete");
      // and for a younger worker.
      const task = await create(address);
      const worked = await work(fairlane.nextWorkerDir, address);
      expect(worked, worked.output).toMatchObject({ code: 0 });
      expect(await status(address, task)).toBe("Complete");
    });
  });

  it("is removed without a trace, but for the worker and the migrations", async () => {
    const removed = await fairlane.next(root, "uninstall", "--yes");
    expect(removed, removed.output).toMatchObject({ code: 0 });
    await push();
    expect(differences(
      appBefore,
      await describeCatalog(database.url),
      { left: "the app before", right: "the app after" },
    )).toEqual([]);
    const left = Object.entries(contents(root)).filter(([path]) =>
      !/\/\d+_(?:fairlane|later)\w*\.sql$|^fairlane-worker\//.test(path)
    );
    const config = "supabase/config.toml";
    expect(Object.fromEntries(left)).toEqual(
      // A project that had none has one of its own now.
      files[config] === undefined
        ? { ...files, [config]: 'project_id = "the app"\n' }
        : files,
    );
  });

  /** Serves the function as it is in the project now. */
  async function withFunction(
    use: (address: string) => Promise<void>,
  ): Promise<void> {
    const config = readSupabaseConfig(join(root, "supabase"))
      .functions.get("fairlane");
    if (config === undefined) throw new Error("There is no function");
    const process = startFunction(config, environment(database.url), () => {});
    try {
      await use(`http://127.0.0.1:${await process.port}/fairlane`);
    } finally {
      await process.stop();
    }
  }

  /** A task of the user; its id. */
  async function create(address: string): Promise<unknown> {
    const task = { task_type: "render", params: { prompt: "a lane" } };
    return (await call(address, "create-task", jwt, task))["task_id"];
  }

  async function status(address: string, task_id: unknown): Promise<unknown> {
    return (await call(address, "get-task-status", jwt, { task_id }))["status"];
  }

  async function push(): Promise<void> {
    const pushed = await run(supabaseProgram(), [
      ...["db", "push", "--yes", `--remote=${database.url}?sslmode=disable`],
    ], { cwd: root, env: { ...process.env, DO_NOT_TRACK: "1" } });
    expect(pushed, pushed.output).toMatchObject({ code: 0 });
  }

  async function withoutUs() {
    const all = await describeCatalog(database.url);
    return all.filter(({ title }) => !OURS.test(title));
  }

  async function changesOfTheApp(): Promise<string[]> {
    return differences(appBefore, await withoutUs(), {
      left: "the app before",
      right: "the app with the queue",
    });
  }
});

/** Every file of a project, by its path. */
function contents(root: string): Record<string, string> {
  const names = readdirSync(root, { recursive: true, encoding: "utf8" })
    .filter((name) => statSync(join(root, name)).isFile())
    // What the Supabase CLI keeps for itself.
    .filter((name) => !/^supabase\/\.(?:temp|branches|gitignore)/.test(name));
  return Object.fromEntries(
    names.map((name) => [name, readFileSync(join(root, name), "utf8")]),
  );
}

/** What is not the queue's; of the config what was there before. */
function withoutOurs(
  all: Readonly<Record<string, string>>,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(all)
      .filter(([path]) => !/fairlane/.test(path))
      .filter(([path]) => path !== "supabase/config.toml"),
  );
}

/** What the platform tells the function. */
function environment(dbUrl: string): Record<string, string> {
  // Nothing of a gateway is asked for.
  const addresses = { ...stackAddresses(1, 1), dbUrl };
  return functionEnvironment(addresses, { FAIRLANE_SCHEMA: "fairlane" });
}

async function call(
  address: string,
  route: string,
  key: string,
  body: unknown,
): Promise<Record<string, unknown>> {
  const response = await fetch(`${address}/${route}`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${key}`,
      "content-type": "application/json",
    },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  expect(response.status, text).toBe(200);
  return JSON.parse(text);
}

/** The example worker in this folder, as it was written, for one task. */
function work(folder: string, address: string): ReturnType<typeof run> {
  return run("python3", ["worker.py", "--once"], {
    cwd: folder,
    env: {
      PATH: process.env["PATH"],
      FAIRLANE_URL: address,
      FAIRLANE_KEY: secretKey,
    },
  });
}
