import {
  isFree,
  PORT_STEP,
  PORT_TRIES,
  settlePort,
  takenPort,
  type WantedPort,
} from "./ports.ts";

/** What listens on the first of two ports, and by that holds both. */
export interface Holder {
  stop(): Promise<void>;
}

/** The ports that a stack would like to have; absent = any free one. */
export interface WantedPorts {
  apiPort?: WantedPort | undefined;
  dbPort?: WantedPort | undefined;
}

/** What listens on the API's port, and where the database may listen. */
export interface TakenPorts<T> {
  holder: T;
  dbPort: WantedPort | undefined;
}

/**
 * Takes the two ports of a stack: those that are wanted, or the next pair of
 * their kind that is free, which `say` then hears. A named one has no next.
 *
 * The first is listened on before the second is looked at: a new database is
 * made before it listens, and whoever has the first has the pair meanwhile.
 * So two stacks that start at the same moment never share one.
 */
export async function takePorts<T extends Holder>(
  { apiPort, dbPort }: WantedPorts,
  listen: (port: number) => Promise<T>,
  say: (line: string) => void,
): Promise<TakenPorts<T>> {
  if (!apiPort || !dbPort || apiPort.isNamed || dbPort.isNamed) {
    return { holder: await listenAlone(apiPort, listen, say), dbPort };
  }
  let obstacle: string | undefined;
  for (let tries = 0; tries <= PORT_TRIES; tries++) {
    const api = apiPort.port + tries * PORT_STEP;
    const db = dbPort.port + tries * PORT_STEP;
    const holder = await listenUnlessTaken(listen, api);
    const isDbFree = holder !== undefined &&
      await isFree(db).catch(async (error) => {
        await holder.stop();
        throw error;
      });
    if (isDbFree) {
      const instead = `The API is on port ${api} and the database on ${db}`;
      if (obstacle) say(`${obstacle}. ${instead} instead`);
      return { holder, dbPort: { ...dbPort, port: db } };
    }
    obstacle ??= takenPort(holder ? db : api);
    await holder?.stop();
  }
  throw new Error(
    `${obstacle}, and of ${PORT_TRIES} other pairs one or both are taken. ` +
      "Name free ports with API_PORT=<port> DB_PORT=<port>",
  );
}

async function listenAlone<T>(
  wanted: WantedPort | undefined,
  listen: (port: number) => Promise<T>,
  say: (line: string) => void,
): Promise<T> {
  for (;;) {
    const port = wanted ? await settlePort(wanted, say) : 0;
    // Another stack that starts just now can have been quicker.
    const holder = await listenUnlessTaken(listen, port);
    if (holder) return holder;
  }
}

async function listenUnlessTaken<T>(
  listen: (port: number) => Promise<T>,
  port: number,
): Promise<T | undefined> {
  try {
    return await listen(port);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "EADDRINUSE") throw error;
    return undefined;
  }
}
