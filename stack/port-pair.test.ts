import { once } from "node:events";
import { createServer, type Server } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { takePorts } from "./port-pair.ts";
import { pickFreePort, wantedPort } from "./ports.ts";

const servers: Server[] = [];
afterEach(() => servers.splice(0).forEach((server) => server.close()));

/** Listens as a gateway would, and knows where. */
async function listen(port: number) {
  const server = createServer().listen(port, "127.0.0.1");
  await once(server, "listening");
  servers.push(server);
  return {
    port,
    async stop() {
      server.close();
      await once(server, "close");
    },
  };
}

/** Two ports next to each other, as 54321 and 54322 are, that are free now. */
async function freePair(isNamed = false) {
  for (;;) {
    const api = await pickFreePort();
    const second = await listen(api + 1).catch(() => undefined);
    if (second === undefined) continue;
    await second.stop();
    return {
      apiPort: wantedPort("API_PORT", api, isNamed),
      dbPort: wantedPort("DB_PORT", api + 1, isNamed),
    };
  }
}

describe("takePorts()", () => {
  it("takes the wanted ones without a word when both are free", async () => {
    const said: string[] = [];
    const wanted = await freePair();
    const { holder, dbPort } = await takePorts(
      wanted,
      listen,
      (line) => said.push(line),
    );
    expect(holder.port).toBe(wanted.apiPort.port);
    expect(dbPort).toEqual(wanted.dbPort);
    expect(said).toEqual([]);
  });

  it.each([["first", 0], ["second", 1]])(
    "leaves both when the %s is taken, and says whose it is",
    async (_which, index) => {
      const said: string[] = [];
      const wanted = await freePair();
      const { port } = wanted.apiPort;
      await listen(port + index);
      const { holder, dbPort } = await takePorts(
        wanted,
        listen,
        (line) => said.push(line),
      );
      expect(holder.port).toBeGreaterThan(port);
      expect((holder.port - port) % 10).toBe(0);
      expect(dbPort?.port).toBe(holder.port + 1);
      expect(said).toEqual([
        expect.stringMatching(
          `^Port ${port + index} is taken by process ${process.pid} ` +
            `\\(.*\\)\\. The API is on port ${holder.port} ` +
            `and the database on ${dbPort?.port} instead$`,
        ),
      ]);
      // The wanted one that was free is so again.
      await listen(port + 1 - index);
    },
  );

  it("gives stacks that start at the same moment a pair each", async () => {
    const wanted = await freePair();
    const taken = await Promise.all(
      Array.from({ length: 5 }, () => takePorts(wanted, listen, () => {})),
    );
    const pairs = taken.map((
      { holder, dbPort },
    ) => [holder.port, dbPort?.port]);
    for (const [api = 0, db] of pairs) expect(db).toBe(api + 1);
    expect(new Set(pairs.flat()).size).toBe(2 * pairs.length);
  });

  it("leaves the database where it was named", async () => {
    const wanted = await freePair();
    await listen(wanted.apiPort.port);
    const dbPort = { ...wanted.dbPort, isNamed: true };
    const taken = await takePorts({ ...wanted, dbPort }, listen, () => {});
    expect(taken.holder.port).toBeGreaterThan(wanted.apiPort.port);
    expect(taken.dbPort).toEqual(dbPort);
  });

  it("replaces no API port that somebody named", async () => {
    const wanted = await freePair(true);
    await listen(wanted.apiPort.port);
    await expect(takePorts(wanted, listen, () => {})).rejects.toThrow(
      /is taken by process \d+ .*API_PORT=/,
    );
  });
});
