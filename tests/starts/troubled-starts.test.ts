import {
  existsSync,
  mkdirSync,
  readFileSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { secretKey } from "../../stack/keys.ts";
import { pickFreePort } from "../../stack/ports.ts";
import { chosenServer } from "../../stack/postgres-server.ts";
import { readState } from "../../stack/state-file.ts";
import { CheckoutCopy, type Front } from "../support/checkout-copy.ts";

// `npm start` in copies of this checkout, when something is not as it should
// be. What each message means is in docs/local-stack.md.

const A_START_MS = 600_000;
/** supabase/seed.sql has so many. */
const SEEDED_TASKS = 4;
const NPM_START = ["npm", "start"];
const STACK_TRACE = /^\s+at /m;

/** QueueError: one message, whose parts are returned, and exit code 1. */
async function expectRefusal(
  copy: CheckoutCopy,
  words: RegExp,
  env: Readonly<Record<string, string>> = {},
  command: readonly string[] = NPM_START,
): Promise<RegExpExecArray | []> {
  const { code, output } = await copy.run(command, env);
  expect(output).toMatch(words);
  expect(output).not.toMatch(STACK_TRACE);
  expect(code).toBe(1);
  return words.exec(output) ?? [];
}

/** A process that has said its last word may take a moment to end. */
async function nobodyIsLeft(copy: CheckoutCopy): Promise<void> {
  await vi.waitFor(() => expect(copy.processes()).toEqual([]), 60_000);
}

describe("a first npm start", () => {
  let copy: CheckoutCopy;
  beforeAll(() => void (copy = new CheckoutCopy({ isInstalled: false })));
  afterAll(() => copy?.discard());

  it("names the Node that it needs to one that is too old", async () => {
    const old = join(copy.dir, "old-node.cjs");
    writeFileSync(
      old,
      `if (/setup\\.mjs$/.test(process.argv[1])) {
        const versions = { ...process.versions, node: "18.20.4" };
        Object.defineProperty(process, "versions", { value: versions });
        Object.defineProperty(process, "version", { value: "v18.20.4" });
      }`,
    );
    await expectRefusal(
      copy,
      /needs Node\.js 20\.6 or newer; this is v18\.20\.4\. See https:/,
      { NODE_OPTIONS: `--require "${old}"` },
    );
    await nobodyIsLeft(copy);
  });

  it("says where it found no way to, and what to look at", async () => {
    const registry = `http://127.0.0.1:${await pickFreePort()}`;
    await expectRefusal(
      copy,
      new RegExp(`There is no way to ${registry}\\. Look at the network, .*`),
      {
        npm_config_registry: registry,
        npm_config_cache: join(copy.dir, "no cache"),
        // It takes a minute to be sure; here it is from the first time on.
        npm_config_fetch_retries: "0",
      },
    );
    await nobodyIsLeft(copy);
  });
});

/** Why no small disk can be had here; undefined = one can. */
const noDisk = process.getuid?.() === 0 && process.platform === "linux"
  ? undefined
  : "skipped: only root can mount a small disk";

describe("npm start in two checkouts", () => {
  let one: CheckoutCopy;
  let other: CheckoutCopy;
  const holder: Server = createServer();

  beforeAll(async () => {
    one = new CheckoutCopy({ isInstalled: true });
    other = new CheckoutCopy({ isInstalled: true });
    // Unless somebody else has it, which does as well.
    await new Promise<void>((done) => {
      holder.once("error", () => done());
      holder.listen(54_321, "127.0.0.1", () => done());
    });
  });
  afterAll(async () => {
    holder.close();
    await one?.discard();
    await other?.discard();
  }, A_START_MS);

  it.skipIf(noDisk)(
    `says that the disk is full, and how much it takes ${noDisk ?? ""}`.trim(),
    async () => {
      const disk = join(one.dir, ".stack", "small disk");
      mkdirSync(disk);
      const onDisk =
        'mount -t tmpfs -o size=16m,mode=755 none "$1"; shift; exec "$@"';
      await expectRefusal(
        one,
        /The disk is full: \d+ MB are left for .*\. Make room \(.* 100 MB\)/,
        { STACK_STATE_DIR: disk },
        ["unshare", "--mount", "sh", "-c", onDisk, "sh", disk, ...NPM_START],
      );
      await nobodyIsLeft(one);
    },
    A_START_MS,
  );

  let front: Front;

  it("side by side, one of them anew after kill -9: both serve", async () => {
    const killed = one.start();
    const begun = join(databaseOf(one), "stack-first-start");
    await killed.until(() => existsSync(begun));
    await one.killAll();

    front = one.start();
    const beside = other.start();
    const [mine, theirs] = await Promise.all([front.ready(), beside.ready()]);
    expect(front.output).toMatch(/Ready after .*: the rest of a cold start/);
    expect(beside.output).toMatch(/Ready after .*: cold start/);
    for (const { output } of [front, beside]) {
      expect(output).toMatch(
        /Port 54321 is taken by .* The API is on port \d+ and the database on/,
      );
    }
    expect(mine.db).toBe(mine.api + 1);
    expect(theirs.db).toBe(theirs.api + 1);
    expect(theirs.api).not.toBe(mine.api);
    for (const { api } of [mine, theirs]) {
      // The seed, which comes last of all.
      expect(await seededTasks(api)).toBe(SEEDED_TASKS);
    }

    await beside.interrupt();
    await nobodyIsLeft(other);
    expect(await seededTasks(mine.api)).toBe(SEEDED_TASKS);
  }, A_START_MS);

  it("refuses to start a second one, and keeps out of its log", async () => {
    const log = join(one.stateDir, "stack.log");
    const before = readFileSync(log, "utf8");
    expect(before).toMatch(/Ready after/);
    await expectRefusal(
      one,
      /already there \(process \d+\).*"npm run stack -- stop" stops it/,
    );
    const after = readFileSync(log, "utf8");
    expect(after.slice(0, before.length)).toBe(before);
    expect(after.slice(before.length)).not.toMatch(/Start|already/);
    await front.interrupt();
    await nobodyIsLeft(one);
  }, A_START_MS);

  it("starts as asked when nobody reads the rest of it", async () => {
    const { code, output } = await other.run([
      ...["bash", "-o", "pipefail", "-c"],
      "npm run stack -- start | head -1",
    ]);
    expect(output.trim()).toBe("");
    expect(code).toBe(0);
    expect(readState(other.stateDir)?.phase).toBe("ready");
    const stop = await other.run(["npm", "run", "stack", "--", "stop"]);
    expect(stop).toMatchObject({ code: 0 });
    expect(stop.output).toMatch(/^Stopped$/m);
    await nobodyIsLeft(other);
  }, A_START_MS);

  it(
    "leaves a half written database alone; the reset that it names works",
    async () => {
      const control = join(databaseOf(other), "global", "pg_control");
      truncateSync(control, 100);
      const [, reset = ""] = await expectRefusal(
        other,
        /does not start on the database in .*\. It says: .*\n.*left as it is.*: (POSTGRES=\d\d npm run stack -- reset)$/m,
      );
      expect(readFileSync(control)).toHaveLength(100);
      await nobodyIsLeft(other);

      const { code, output } = await other.run(["sh", "-c", reset]);
      expect(output).toMatch(/^Done: migrations applied, seed loaded$/m);
      expect(code).toBe(0);
      await nobodyIsLeft(other);
    },
    A_START_MS,
  );
});

function databaseOf({ stateDir }: CheckoutCopy): string {
  return join(stateDir, chosenServer().stateName("postgres"), "data");
}

/** Asked of the Data API, as a client would. */
async function seededTasks(apiPort: number): Promise<number> {
  const url = `http://127.0.0.1:${apiPort}/rest/v1/tasks?select=id`;
  const reply = await fetch(url, { headers: { apikey: secretKey } });
  expect(reply.status).toBe(200);
  const rows: unknown = await reply.json();
  return Array.isArray(rows) ? rows.length : 0;
}
