import { startBenchFunctions } from "../function-host.ts";
import type { Context } from "../context.ts";
import {
  closeAll,
  connectAll,
  type Cost,
  cost,
  runRound,
} from "../measure/contest.ts";
import type { Sample } from "../measure/probe.ts";
import { connectByHttp, functionWay, restWay } from "../queues/ours-http.ts";
import { connectBySql } from "../queues/ours-sql.ts";
import { ourQueue } from "../queues/ours.ts";
import type { Queue } from "../queues/queue.ts";
import { latency, number, times } from "../report/numbers.ts";
import type { Section } from "../report/section.ts";
import type { Shape } from "../world/shape.ts";

const REST = "PostgREST";
const EDGE = "the edge function";

const shape: Shape = { backlog: 10_000, users: 1_000, distribution: "even" };

/** The same claim by every way there is, in turns. */
export async function measureWays(context: Context): Promise<Section[]> {
  const { admin, stack } = context;
  const functions = await startBenchFunctions(stack);
  const rest = restWay(stack.apiUrl, stack.secretKey);
  const edge = functionWay(stack.functionsUrl, stack.secretKey);
  const queues = [
    ourQueue(admin, "SQL", () => connectBySql(stack.dbUrl)),
    ourQueue(admin, REST, () => connectByHttp(rest)),
    ourQueue(admin, EDGE, () => connectByHttp(edge)),
    ...functions.map(({ name, url }) =>
      ourQueue(
        admin,
        `bench function: ${name}`,
        () => connectByHttp({ ...edge, claimUrl: url }),
      )
    ),
  ];
  try {
    await queues[0]?.fill(shape);
    const results: Way[] = [];
    for (const clients of [1, 8]) {
      context.log(`ways: ${queues.length}, with ${clients} clients`);
      results.push(...await compare(context, queues, clients));
    }
    return [{
      title: "Ways to a claim",
      notes: [
        "From outside to inside: our functions called over SQL, through PostgREST, and through the edge function. " +
        "The bench functions do nothing but claim, by a plain fetch to PostgREST (as ours do), with supabase-js, and over a Postgres connection of their own; " +
        "they are called without the gateway. Locally that connection goes straight to the database; hosted, it goes through a pooler. " +
        "HTTP CPU: gateway, PostgREST and functions together, per claim. Times in ms.",
        verdict(results),
      ],
      head: [
        ...["claim through", "clients", "p50 / p95 / p99", "claims per s"],
        ...["database CPU ms", "HTTP CPU ms"],
      ],
      rows: results.map(row),
    }];
  } finally {
    await Promise.all(functions.map((fn) => fn.stop()));
  }
}

/** What one way costs with so many clients. */
interface Way {
  name: string;
  clients: number;
  cost: Cost;
  perSecond: number;
  httpMs: number;
}

async function compare(
  { plan, probe }: Context,
  queues: Queue[],
  clients: number,
): Promise<Way[]> {
  const entrants = await Promise.all(queues.map(async (queue) => ({
    queue,
    clients: await connectAll(queue, clients),
    samples: [] as Sample[],
  })));
  const options = { ...plan, clients };
  for (let n = 0; n <= Math.ceil(plan.rounds / 2); n++) {
    for (const { queue, clients, samples } of entrants) {
      const { claim } = await runRound(probe, queue, clients, options);
      if (n > 0) samples.push(claim);
    }
  }
  return await Promise.all(entrants.map(async ({ queue, clients, samples }) => {
    await closeAll(clients);
    const total = (of: (sample: Sample) => number) =>
      samples.reduce((sum, sample) => sum + of(sample), 0);
    const calls = total(({ calls }) => calls);
    return {
      name: queue.name,
      clients: clients.length,
      cost: cost(samples, samples),
      perSecond: calls / total(({ wallMs }) => wallMs) * 1000,
      httpMs: total(({ httpMs }) => httpMs) / calls,
    };
  }));
}

function row({ name, clients, cost, perSecond, httpMs }: Way): string[] {
  return [
    name,
    String(clients),
    latency(cost),
    number(perSecond),
    number(cost.cpuMs),
    number(httpMs),
  ];
}

/** The budget: a function adds less than the rpc costs through PostgREST. */
function verdict(ways: Way[]): string {
  const p50 = (name: string) =>
    ways.find((way) => way.name === name && way.clients === 1)?.cost.p50 ??
      Number.NaN;
  const added = p50(EDGE) - p50(REST);
  return `**With one client the function adds ${number(added)} ms to the ` +
    `${number(p50(REST))} ms that the same call takes through PostgREST: ` +
    `${times(added / p50(REST))}.**`;
}
