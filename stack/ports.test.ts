import { once } from "node:events";
import { createServer, type Server } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { pickFreePort, settlePort, wantedPort } from "./ports.ts";

const servers: Server[] = [];
afterEach(() => servers.splice(0).forEach((server) => server.close()));

async function takenPort(wanted = 0): Promise<number> {
  const server = createServer().listen(wanted, "127.0.0.1");
  servers.push(server);
  await once(server, "listening");
  const address = server.address();
  return typeof address === "object" ? address?.port ?? 0 : 0;
}

describe("settlePort()", () => {
  it("takes the wanted port without a word when it is free", async () => {
    const said: string[] = [];
    const port = await pickFreePort();
    const wanted = wantedPort("API_PORT", port, false);
    expect(await settlePort(wanted, (line) => said.push(line))).toBe(port);
    expect(said).toEqual([]);
  });

  it("takes the next of its kind, and says whose the wanted one is", async () => {
    const said: string[] = [];
    const port = await takenPort();
    const other = await settlePort(
      wantedPort("DB_PORT", port, false),
      (line) => said.push(line),
    );
    expect(other).toBeGreaterThan(port);
    expect((other - port) % 10).toBe(0);
    expect(said).toEqual([
      expect.stringMatching(
        `^Port ${port} is taken by process ${process.pid} \\(.*\\)\\. ` +
          `The database is on port ${other} instead$`,
      ),
    ]);
  });

  it("does not replace a port that somebody named", async () => {
    const port = await takenPort();
    const settled = settlePort(wantedPort("DB_PORT", port, true), () => {});
    await expect(settled).rejects.toThrow(
      new RegExp(`Port ${port} is taken by process ${process.pid} .*DB_PORT=`),
    );
  });
});
