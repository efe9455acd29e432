import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { postgresServer } from "./postgres-server.ts";
import { removeIfUnfinished } from "./interrupted-start.ts";
import { endLeftover } from "./leftover-postgres.ts";

let dir: string;
let dataDir: string;
let lockFile: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "leftover "));
  dataDir = join(dir, "data");
  lockFile = join(dataDir, "postmaster.pid");
  mkdirSync(dataDir);
});
afterEach(() => rmSync(dir, { recursive: true }));

/** Above every pid that the kernel gives. */
const NOBODY = 2 ** 22 + 1;

describe("endLeftover()", () => {
  it("takes away a lock file whose pid is a stranger's, who lives on", async () => {
    writeFileSync(lockFile, `${process.pid}\n`);
    await endLeftover({ dataDir, pid: process.pid, socketDir: dir });
    expect(existsSync(lockFile)).toBe(false);
  });

  it("leaves to Postgres the lock file of the dead", async () => {
    writeFileSync(lockFile, `${NOBODY}\n`);
    await endLeftover({ dataDir, pid: NOBODY, socketDir: dir });
    expect(existsSync(lockFile)).toBe(true);
  });

  it("takes away sockets that nobody listens on", async () => {
    for (const name of [".s.PGSQL.5", ".s.PGSQL.5.lock", "postgrest.sock"]) {
      writeFileSync(join(dir, name), "");
    }
    await endLeftover({ dataDir, pid: NOBODY, socketDir: dir });
    expect(existsSync(join(dir, ".s.PGSQL.5"))).toBe(false);
    expect(existsSync(join(dir, ".s.PGSQL.5.lock"))).toBe(false);
    expect(existsSync(join(dir, "postgrest.sock"))).toBe(true);
  });
});

describe("removeIfUnfinished()", () => {
  const said: string[] = [];
  const remove = () => {
    const dirs = {
      state: dir,
      postgres: dir,
      sockets: dir,
      postgresUser: undefined,
      server: postgresServer(15),
    };
    removeIfUnfinished(dirs, (line) => said.push(line));
  };
  beforeEach(() => void said.splice(0));

  it("removes what a first start left before its bootstrap was done", () => {
    writeFileSync(join(dataDir, "PG_VERSION"), "15\n");
    remove();
    expect(existsSync(dataDir)).toBe(false);
    expect(said.join(" ")).toContain("made anew");
  });

  it("says so when not even initdb was done", () => {
    renameSync(dataDir, `${dataDir}.new`);
    remove();
    expect(said.join(" ")).toContain("made anew");
  });

  it("never removes a database that migrations may have run on", () => {
    writeFileSync(join(dataDir, "stack-bootstrapped"), "");
    remove();
    expect(existsSync(dataDir)).toBe(true);
    expect(said).toEqual([]);
  });
});
