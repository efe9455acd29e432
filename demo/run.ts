import type postgres from "postgres";
import type { StackAddresses } from "../stack/stack-addresses.ts";
import { Background } from "./background.ts";
import { Autoscaler } from "./fleet/autoscaler.ts";
import { CloudFleet } from "./fleet/cloud-fleet.ts";
import { askForOrchestratorsEnd } from "./fleet/orchestrators-end.ts";
import { OwnMachines } from "./fleet/own-machines.ts";
import type { Site } from "./fleet/simulated-worker.ts";
import { isSound } from "./fleet/work.ts";
import { Ledger } from "./ledger.ts";
import type { DemoOptions } from "./options.ts";
import { Pace } from "./pace.ts";
import { Story } from "./story.ts";
import { watchUntilEmpty } from "./watch.ts";
import { enqueue } from "./world/enqueue.ts";
import { runJobs } from "./world/jobs.ts";
import { invitePeople, type Person } from "./world/people.ts";
import { hurry } from "./world/settings.ts";
import { planTasks } from "./world/tasks.ts";

/** So many users also have a machine of their own. */
const OWN_MACHINES = 2;

/** What a run leaves to be checked. */
export interface Run {
  readonly ledger: Ledger;
  readonly people: readonly Person[];
}

/**
 * One demo on a stack with an empty queue: people enqueue, machines drain it,
 * one of them dies. Ends when nothing is left, or when `stop` aborts.
 *
 * The database is used for what the platform does (users, pg_cron) and for the
 * limits that go with the speed; everything else goes over HTTP.
 */
export async function runDemo(
  stack: StackAddresses,
  sql: postgres.Sql,
  options: DemoOptions,
  print: (line: string) => void,
  stop: AbortSignal,
): Promise<Run> {
  const began = performance.now();
  const now = () => performance.now() - began;
  const pace = new Pace(options.speed);
  const ledger = new Ledger();
  const people = await invitePeople(sql, options.users);
  const story = new Story(ledger, people, print, now);
  const background = new Background(stop);

  const site: Site = {
    url: stack.apiUrl,
    pace,
    ledger,
    story,
    strikes: (task) => isTimeToDie(ledger) && isSound(task),
    onCompleted: (task) =>
      background.add(askForOrchestratorsEnd(stack, task, ledger, story)),
  };
  const cloud = new CloudFleet(stack.secretKey, site);
  const own = new OwnMachines(stack, site);
  const scaler = new Autoscaler(stack, cloud, story, options.workers);

  const { silentSeconds, restore } = await hurry(sql, pace);
  const lost = `silent for ${silentSeconds.toFixed(1)} s is lost`;
  story.tell(`All is ${options.speed} x faster, the limits, too: ${lost}`);
  try {
    background.add(runJobs(sql, pace, story, background.signal));
    const plans = planTasks(options.tasks, people.length, options.seed);
    for (const [index, person] of people.entries()) {
      const ids = await enqueue(stack, person, plans[index] ?? []);
      ledger.noteEnqueued(ids);
      story.tell(`${person.name} enqueues ${ids.length} tasks`);
    }
    background.add(scaler.run(pace, background.signal));
    for (const person of people.slice(0, OWN_MACHINES)) await own.start(person);
    await watchUntilEmpty(stack, ledger, story, background.signal);
  } finally {
    await Promise.all([cloud.close(), own.close()]);
    await background.end().finally(restore);
  }
  return { ledger, people };
}

/** One worker, when a quarter is done: there is a past and a future then. */
function isTimeToDie({ lostStart, ended, enqueued }: Ledger): boolean {
  return lostStart === undefined && ended.size * 4 >= enqueued.size;
}
