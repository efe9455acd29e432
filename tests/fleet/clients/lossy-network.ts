import { createServer } from "node:http";
import { Chance } from "../../support/chance.ts";
import { relay } from "../../support/relay.ts";

const SEED = 3;

/** A way to the stack on which replies get lost. */
export interface LossyNetwork {
  readonly url: string;
  /** How many requests were carried out without their sender hearing of it. */
  readonly lost: () => number;
  /** What the lost replies of one edge function said. */
  readonly lostRepliesOf: (name: string) => readonly string[];
  stop(): Promise<void>;
}

/**
 * Every so many replies one is lost, or one earlier or later, by chance: a loop
 * of three calls would else lose the same reply for ever. 0 loses none.
 */
export async function startNetwork(losesEvery: number): Promise<LossyNetwork> {
  let requests = 0;
  const lost: { path: string; reply: string }[] = [];
  let next = losesEvery;
  const chance = new Chance(SEED);
  const server = createServer((request, response) => {
    requests++;
    const isLost = requests === next;
    if (isLost) {
      next += losesEvery + chance.pick([-1, 0, 1]);
    }
    // supabase-py reads again after a 503, and only then: both are tried.
    const loss = request.method === "GET" ? "given up" : "reply lost";
    const path = request.url ?? "";
    relay(
      request,
      response,
      isLost ? loss : "none",
      (reply) => lost.push({ path, reply }),
    );
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const address = server.address();
  const port = typeof address === "object" ? address?.port : undefined;
  return {
    url: `http://127.0.0.1:${port}`,
    lost: () => lost.length,
    lostRepliesOf: (name) =>
      lost.filter(({ path }) => path === `/functions/v1/${name}`)
        .map(({ reply }) => reply),
    async stop() {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}
