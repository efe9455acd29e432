import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { postgresSettings } from "./postgres-settings.ts";
import { postgresServer } from "./postgres-server.ts";
import { processStart } from "./process-info.ts";
import {
  prepareStateDirs,
  removeSocketDir,
  socketDir,
  storageDir,
} from "./state-dir.ts";
import { AlreadyRunning, claimStateDir, readState } from "./state-file.ts";

let dir: string;
beforeEach(() => dir = mkdtempSync(join(tmpdir(), "state-")));
afterEach(() => rmSync(dir, { recursive: true }));

describe("claimStateDir()", () => {
  it("lets one live stack have a directory", () => {
    const claim = claimStateDir(dir);
    expect(() => claimStateDir(dir)).toThrow(AlreadyRunning);
    expect(() => claimStateDir(dir)).toThrow(
      `(process ${process.pid}), starting. "npm run stack -- status"`,
    );
    claim.update({ phase: "ready", apiPort: 54331, dbPort: 2 });
    expect(() => claimStateDir(dir)).toThrow("ready on http://127.0.0.1:54331");
    claim.release();
    claimStateDir(dir).release();
  });

  it("tells others how far the stack is", () => {
    const claim = claimStateDir(dir);
    expect(readState(dir)).toMatchObject({ phase: "starting", resets: 0 });
    claim.update({ phase: "broken", error: "no space" });
    expect(readState(dir)).toMatchObject({ error: "no space" });
    const notes = ["Port 1 is taken"];
    claim.update({ phase: "ready", apiPort: 1, dbPort: 2, notes });
    expect(readState(dir)).toEqual({
      pid: process.pid,
      processStart: processStart(process.pid),
      phase: "ready",
      apiPort: 1,
      dbPort: 2,
      resets: 0,
      notes,
    });
    claim.release();
    expect(readState(dir)).toBeUndefined();
  });

  it("takes over from a dead process, even if its pid lives again", () => {
    const state = {
      pid: process.pid,
      processStart: "1",
      phase: "ready",
      resets: 0,
    };
    writeFileSync(join(dir, "stack.json"), JSON.stringify(state));
    expect(readState(dir)).toBeUndefined();
    claimStateDir(dir).release();
  });
});

describe("socketDir()", () => {
  it("is beside the data when its path is short and plain", () => {
    expect(socketDir("/srv/queue/.stack/dev"))
      .toBe("/srv/queue/.stack/dev/sockets");
  });

  it.each([
    ["long", `/srv/${"deep/".repeat(20)}queue`],
    ["with a space", "/srv/my queue"],
    ["with a comma", "/srv/a,b"],
  ])("is under /tmp when the path is %s", (_what, base) => {
    expect(socketDir(base)).toMatch(/^\/tmp\/fairlane-[0-9a-f]{12}$/);
  });
});

describe("prepareStateDirs()", () => {
  it("keeps the data of the two servers apart", () => {
    const debian = prepareStateDirs(dir, postgresServer(15));
    const npm = prepareStateDirs(dir, postgresServer(17));
    expect(npm.postgres).not.toBe(debian.postgres);
    expect(storageDir(npm)).not.toBe(storageDir(debian));
    removeSocketDir(npm);
  });
});

describe("postgresSettings()", () => {
  const server = postgresServer(15);

  it("quotes values, so that a path cannot end the setting", () => {
    const socketDir = "/tmp/o'brien";
    const settings = { port: 5, server, socketDir, durable: false };
    expect(postgresSettings(settings)).toContain(
      "unix_socket_directories = '/tmp/o''brien'\n",
    );
  });

  it("waits for the disk only when durable", () => {
    const settings = { port: 5, server, socketDir: "/tmp/x" };
    expect(postgresSettings({ ...settings, durable: true }))
      .toContain("fsync = 'on'");
    expect(postgresSettings({ ...settings, durable: false }))
      .toContain("fsync = 'off'");
  });

  it("hands every commit to the kernel when it has to survive kills", () => {
    const text = postgresSettings({
      port: 5,
      server,
      socketDir: "/tmp/x",
      durable: "kills",
    });
    expect(text).toContain("fsync = 'off'");
    expect(text).toContain("synchronous_commit = 'on'");
    expect(text).toContain("full_page_writes = 'on'");
  });
});
