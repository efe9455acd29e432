import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import postgres from "postgres";
import { Chance } from "../../tests/support/chance.ts";
import { illegalStarts } from "../../tests/support/history.ts";
import type { Context } from "../context.ts";
import { percentile } from "../measure/statistics.ts";
import { number, times } from "../report/numbers.ts";
import type { Section } from "../report/section.ts";
import { type Call, callsTo } from "../storm/call.ts";
import { runMachine, Sightings } from "../storm/fleet.ts";
import { makePeople, type Person } from "../storm/person.ts";
import { type Deed, deeds } from "../storm/villain.ts";

const HONEST = 20;
const VILLAINS = 200;
/** How long a villain thinks between two deeds. */
const THINK_MS = 8_000;
const MACHINES = 8;
const LIMIT = 5;
const WORK_MS = 300;
const POLL_MS = 100;
const SEED = 20261130;

/**
 * Twenty users who do nothing but work, alone and then beside two hundred who do
 * everything in `deeds` at once: what a claim takes, and who had more than is due.
 */
export async function measureStorm(context: Context): Promise<Section[]> {
  const { admin, stack, plan, log } = context;
  const seconds = plan.stormSeconds;
  const call = callsTo(stack);
  await admin`update fairlane_core.settings set default_task_limit = ${LIMIT}`;
  const honest = await makePeople(admin, stack, HONEST);
  const villains = await makePeople(admin, stack, VILLAINS);
  const before = new Sightings();
  const during = new Sightings();
  const deeds = new Deeds();

  log(`storm: ${HONEST} honest users alone, ${seconds} s`);
  await runPhase(context, call, honest, before, seconds);

  log(`storm: beside ${VILLAINS} who do everything at once, ${seconds} s`);
  const app = postgres(stack.dbUrl, { max: 10, onnotice: () => {} });
  let isOver = false;
  const storm = villains.map((who, index) =>
    deeds.play(who, new Chance(SEED + index), { call, app }, () => isOver)
  );
  await runPhase(context, call, honest, during, seconds);
  isOver = true;
  await Promise.all(storm);
  await app.end();

  const wrong = await whatIsWrong(context, during);
  const p95 = (of: Sightings, who: string) =>
    percentile(of.latencies[who] ?? [], 0.95);
  const ratio = (who: string) => p95(during, who) / p95(before, who);
  for (const who of ["fleet", "own machine"]) {
    if (!(ratio(who) <= 3)) wrong.push(`${who}: ${times(ratio(who))} at p95`);
  }
  if (wrong.length > 0) process.exitCode = 1;
  return [{
    title: "A storm",
    notes: [
      `${HONEST} users whose tasks never run out, ${MACHINES} machines of the fleet and one of each of these users, over HTTP; the same beside ${VILLAINS} users who each do one of the deeds below, at random, and think for ${
        number(THINK_MS / 1000)
      } s at most. Claims in ms at the client; limit ${LIMIT} per user.`,
      `The most machines that worked for one user at once: ${during.busiest.tasks} with tasks, ${during.busiest.orchestration} with orchestration.`,
      wrong.length === 0
        ? "**Nobody was over a limit, the counters are right, and the claims of the others stayed within 3x.**"
        : `**Wrong: ${wrong.join("; ")}.**`,
    ],
    head: [
      "claims of",
      "alone",
      "p50 / p95",
      "in the storm",
      "p50 / p95",
      "p95",
    ],
    rows: ["fleet", "own machine"].map((who) => [
      who,
      ...[before, during].flatMap((of) => [
        String(of.latencies[who]?.length ?? 0),
        `${number(percentile(of.latencies[who] ?? [], 0.5))} / ${
          number(p95(of, who))
        }`,
      ]),
      times(ratio(who)),
    ]),
  }, {
    title: "What the storm was answered",
    notes: [`Claims: ${JSON.stringify(during.answers)}.`],
    head: ["deed", "answers"],
    rows: deeds.rows(),
  }];
}

/** The machines at work, with tasks of the honest users never running out. */
async function runPhase(
  { admin, stack }: Context,
  call: Call,
  honest: readonly Person[],
  sightings: Sightings,
  seconds: number,
): Promise<void> {
  let isOver = false;
  const refill = async () => {
    while (!isOver) {
      await admin`
        insert into public.tasks (task_type, project_id)
        select 'clip', p.id
        from unnest(${honest.map(({ id }) => id)}::uuid[]) as p (id)
          cross join generate_series(1, 20)
        where (
          select count(*) from public.tasks as t
          where t.user_id = p.id and t.readiness = 'ready'
        ) < 20`;
      await delay(500);
    }
  };
  const machine = (who: string, key: string, workerId: string) =>
    runMachine(
      call,
      { who, key, workerId, workMs: WORK_MS, pollMs: POLL_MS },
      sightings,
      () => isOver,
    );
  const running = [
    refill(),
    ...Array.from(
      { length: MACHINES },
      (_, index) => machine("fleet", stack.secretKey, `storm-${index}`),
    ),
    ...honest.map(({ token }, index) =>
      machine("own machine", token, `home-${index}`)
    ),
  ];
  await delay(seconds * 1000);
  isOver = true;
  await Promise.all(running);
}

/** What the villains did, and what they were told. */
class Deeds {
  readonly #answers = new Map<string, Map<number, number>>();

  async play(
    who: Person,
    chance: Chance,
    { call, app }: { call: Call; app: postgres.Sql },
    isOver: () => boolean,
  ): Promise<void> {
    const cloudWorker = () => `storm-${Math.floor(chance.next() * MACHINES)}`;
    const names = Object.keys(deeds);
    await delay(chance.next() * THINK_MS);
    while (!isOver()) {
      const name = chance.pick(names);
      const deed: Deed | undefined = deeds[name];
      const answer = await deed?.(who, { call, chance, app, cloudWorker })
        .catch(() => ({ status: 0 }));
      const told = this.#answers.get(name) ?? new Map<number, number>();
      const status = answer?.status ?? 0;
      told.set(status, (told.get(status) ?? 0) + 1);
      this.#answers.set(name, told);
      await delay(chance.next() * THINK_MS);
    }
  }

  rows(): string[][] {
    return [...this.#answers].map(([name, told]) => [
      name,
      [...told].sort(([a], [b]) => a - b)
        .map(([status, count]) => `${status}: ${count}`).join(", "),
    ]);
  }
}

async function whatIsWrong(
  { admin }: Context,
  { busiest }: Sightings,
): Promise<string[]> {
  const wrong: string[] = [];
  if (busiest.tasks > LIMIT) {
    wrong.push(`${busiest.tasks} machines worked for one user`);
  }
  if (busiest.orchestration > LIMIT) {
    wrong.push(`${busiest.orchestration} orchestrators ran for one user`);
  }
  const starts = await illegalStarts(LIMIT, [], admin);
  if (starts.length > 0) wrong.push(`${starts.length} starts over a limit`);
  const drift =
    await admin`select d::text as what from fairlane_core.drift() as d`;
  if (drift.length > 0) wrong.push(`drift: ${drift[0]?.["what"]}`);
  return wrong;
}
