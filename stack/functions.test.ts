import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Functions, hostFunctions } from "./functions.ts";

// Real Deno processes, with entry files of the test's own.
let dir: string;
let log: string[];
let functions: Functions;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "functions #1 "));
  log = [];
  write("hello", 'Deno.serve(() => new Response("hello"));');
});
afterEach(async () => {
  await functions.stop();
  rmSync(dir, { recursive: true });
});

function write(name: string, source: string): void {
  mkdirSync(join(dir, "functions", name), { recursive: true });
  writeFileSync(join(dir, "functions", name, "index.ts"), source);
}

function host(watchDirs: string[] = []): void {
  functions = hostFunctions({
    supabaseDir: dir,
    env: { GREETING: "from the stack" },
    watchDirs,
    log: (line) => log.push(line),
  });
}

async function ask(name: string): Promise<string> {
  const port = await functions.port(name);
  return await (await fetch(`http://127.0.0.1:${port}/${name}`)).text();
}

describe("hostFunctions()", () => {
  it("runs both shapes of entry file, unmodified", async () => {
    write(
      "exported",
      'export default { fetch: () => new Response("exported") };',
    );
    write(
      "options",
      'Deno.serve({ port: 1, handler: () => new Response("options") });',
    );
    host();
    expect(await ask("hello")).toBe("hello");
    expect(await ask("exported")).toBe("exported");
    expect(await ask("options")).toBe("options");
  });

  it("leaves a function alone that has started in time", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    try {
      host();
      const port = await functions.port("hello");
      vi.advanceTimersByTime(300_000);
      expect(await ask("hello")).toBe("hello");
      expect(await functions.port("hello")).toBe(port);
    } finally {
      vi.useRealTimers();
    }
  });

  it("gives functions the stack's environment and no other", async () => {
    write(
      "environment",
      `Deno.serve(() => Response.json([
        Deno.env.get("GREETING"), Deno.env.get("HOME")]));`,
    );
    host();
    expect(JSON.parse(await ask("environment")))
      .toEqual(["from the stack", null]);
  });

  it("logs what a function prints under its name", async () => {
    write(
      "talker",
      `console.log("waking");
      Deno.serve(() => { console.error("asked"); return new Response("ok"); });`,
    );
    host();
    await ask("talker");
    await vi.waitFor(
      () => expect(log).toEqual(["talker | waking", "talker | asked"]),
      60_000,
    );
  });

  it("keeps functions from running programs and writing files", async () => {
    write(
      "curious",
      `const nameOfFailure = async (action) => {
        try { await action(); } catch (error) { return error.name; }
      };
      Deno.serve(async () => Response.json([
        await nameOfFailure(() => new Deno.Command("/bin/true").output()),
        await nameOfFailure(() => Deno.writeTextFile("/var/tmp/curious", "")),
      ]));`,
    );
    host();
    expect(JSON.parse(await ask("curious")))
      .toEqual(["NotCapable", "NotCapable"]);
  });

  it("finds no function without an entry file", () => {
    host();
    expect(functions.find("hello")).toBeDefined();
    expect(functions.find("nothing")).toBeUndefined();
  });

  it("rejects with Deno's words when the entry is broken", async () => {
    write("broken", "Deno.serve((");
    write("idle", "export const nothing = 1;");
    host();
    await expect(functions.port("broken")).rejects.toThrow(/index\.ts:1/);
    await expect(functions.port("idle")).rejects.toThrow(
      /neither calls Deno.serve nor exports default/,
    );
  });

  it("starts a function again after it has died", async () => {
    write("mortal", "Deno.serve(() => Deno.exit(1));");
    host();
    const port = await functions.port("mortal");
    await expect(ask("mortal")).rejects.toThrow();
    await vi.waitFor(
      async () => expect(await functions.port("mortal")).not.toBe(port),
      60_000,
    );
  });

  it("answers from the edited file, and recovers from a bad edit", async () => {
    host([join(dir, "functions")]);
    expect(await ask("hello")).toBe("hello");
    write("hello", "Deno.serve((");
    await vi.waitFor(() => expect(ask("hello")).rejects.toThrow(), 60_000);
    write("hello", 'Deno.serve(() => new Response("edited"));');
    await vi.waitFor(
      async () => expect(await ask("hello")).toBe("edited"),
      60_000,
    );
  });
});
