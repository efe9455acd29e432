import { setTimeout as delay } from "node:timers/promises";
import type { StackAddresses } from "../../stack/stack-addresses.ts";
import type { Chance } from "../support/chance.ts";
import type { Ledger } from "./ledger.ts";

/** Deployed workers wait 1 s and 2 s; the outages here are shorter, too. */
const RETRY_AFTER_MS = [250, 500];
const IDLE_MS = 50;
const TURNS_ASLEEP = 8;
const CALL_TIMEOUT_MS = 20_000;

/** What a worker may be told after others have taken its task. */
const EXPECTED_REFUSALS = new Set([
  "LEASE_LOST",
  "ILLEGAL_TRANSITION",
  "WORKER_NOT_ELIGIBLE",
]);

interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

/**
 * A worker as the fleet has them: it claims, beats, completes, now and then
 * fails, hands back, dies, or completes when others have its task. What is not
 * answered it repeats twice and then gives up, with a failure as its last word.
 */
export class FleetWorker {
  readonly #target: StackAddresses;
  readonly #name: string;
  readonly #chance: Chance;
  readonly #ledger: Ledger;
  /** Newer clients say which start they speak of. */
  readonly #sendsLease: boolean;
  #lives = 0;
  /** A completion to be sent when everybody takes this worker for dead. */
  #belated: { readonly inTurns: number; send(): Promise<unknown> } | undefined;

  constructor(
    target: StackAddresses,
    name: string,
    chance: Chance,
    ledger: Ledger,
  ) {
    this.#target = target;
    this.#name = name;
    this.#chance = chance;
    this.#ledger = ledger;
    this.#sendsLease = chance.next() < 0.5;
  }

  /** Works until it is told that all is over; claims only while it may. */
  async work(
    isOver: () => boolean,
    mayClaim: () => boolean,
  ): Promise<void> {
    while (!isOver()) await this.#turn(mayClaim());
  }

  get #id(): string {
    return `${this.#name}-${this.#lives}`;
  }

  async #turn(mayClaim: boolean): Promise<void> {
    await this.#sendBelated();
    await this.#beat();
    if (!mayClaim) return void await delay(IDLE_MS);
    const claim = await this.#call("claim-next-task", {
      worker_id: this.#id,
      run_type: "gpu",
    });
    if (claim?.status === 409) this.#lives++;
    if (claim?.status !== 200) return void await delay(IDLE_MS);

    const task = {
      task_id: String(claim.body["task_id"]),
      ...(this.#sendsLease ? { lease_token: claim.body["lease_token"] } : {}),
    };
    await this.#beat(task.task_id);
    const luck = this.#chance.next();
    if (luck < 0.05) {
      this.#ledger.deaths++;
      this.#lives++;
    } else if (luck < 0.08) {
      await this.#report({ ...task, status: "Queued" });
    } else if (luck < 0.12) {
      await this.#fail(task);
    } else {
      const body = { ...task, output_location: `files/${this.#id}.mp4` };
      const complete = async () => {
        if (!await this.#end("complete-task", body)) await this.#fail(task);
      };
      if (luck > 0.2 || this.#belated) return await complete();
      this.#belated = { inTurns: TURNS_ASLEEP, send: complete };
      this.#lives++;
    }
  }

  async #sendBelated(): Promise<void> {
    const belated = this.#belated;
    if (belated === undefined) return;
    const inTurns = belated.inTurns - 1;
    this.#belated = inTurns > 0 ? { ...belated, inTurns } : undefined;
    if (inTurns === 0) await belated.send();
  }

  async #fail(task: Readonly<Record<string, unknown>>): Promise<void> {
    await this.#report({ ...task, status: "Failed", error_message: "broken" });
  }

  #report(body: Readonly<Record<string, unknown>>): Promise<boolean> {
    return this.#end("update-task-status", body);
  }

  /** A call about the end of a task, repeated; whether it was answered. */
  async #end(
    name: string,
    body: Readonly<Record<string, unknown>>,
  ): Promise<boolean> {
    let answer = await this.#call(name, body);
    for (const pause of RETRY_AFTER_MS) {
      if (answer !== undefined) break;
      await delay(pause);
      answer = await this.#call(name, body);
    }
    const status = String(answer?.body["status"]);
    if (answer?.status === 200 && /Complete|Failed|Cancelled/.test(status)) {
      const output = answer.body["output_location"];
      const taskId = String(body["task_id"]);
      this.#ledger.ended.add(taskId);
      this.#ledger.told.push({
        taskId,
        status,
        outputLocation: typeof output === "string" ? output : null,
      });
    }
    return answer !== undefined;
  }

  async #beat(taskId?: string): Promise<void> {
    await this.#post("/rest/v1/rpc/func_worker_heartbeat_with_logs", {
      worker_id_param: this.#id,
      status_param: "active",
      ...(taskId === undefined ? {} : { current_task_id_param: taskId }),
    }).catch(() => {});
  }

  /** One call of a function; undefined when it has to be repeated. */
  async #call(
    name: string,
    body: Readonly<Record<string, unknown>>,
  ): Promise<Answer | undefined> {
    this.#ledger.calls++;
    try {
      const answer = await this.#post(`/functions/v1/${name}`, body);
      if (answer.status >= 502 && answer.status <= 504) {
        this.#ledger.failedCalls++;
        return undefined;
      }
      if (name === "claim-next-task") this.#ledger.silence.answered();
      if (answer.status >= 400) this.#judge(name, answer);
      return answer;
    } catch {
      this.#ledger.failedCalls++;
      return undefined;
    }
  }

  #judge(name: string, { status, body }: Answer): void {
    const code = String(body["code"]);
    if (status === 409 && EXPECTED_REFUSALS.has(code)) this.#ledger.refusals++;
    else {
      const said = `${name}: ${status} ${JSON.stringify(body)}`;
      this.#ledger.unexpected.push(said);
    }
  }

  async #post(path: string, body: unknown): Promise<Answer> {
    const key = this.#target.serviceRoleKey;
    const response = await fetch(`${this.#target.apiUrl}${path}`, {
      method: "POST",
      headers: {
        apikey: key,
        authorization: `Bearer ${key}`,
        "content-type": "application/json",
      },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(CALL_TIMEOUT_MS),
    });
    const text = await response.text();
    return { status: response.status, body: text ? JSON.parse(text) : {} };
  }
}
