import postgres from "postgres";
import type { Chance } from "../support/chance.ts";
import type { Connection } from "../support/db.ts";
import { claim, complete, report } from "../support/operations.ts";

/** What a worker does next with the task it holds. */
type Deed = "complete" | "fail" | "hand back" | "report" | "crash" | "forget";

const DEEDS: readonly Deed[] = [
  ...["complete", "complete", "complete", "report", "report"] as const,
  ...["fail", "hand back", "crash", "forget"] as const,
];

/**
 * A worker as the fleet has them: it claims and ends tasks, and now and then
 * dies under its name, or is taken for dead and completes its task later.
 */
export class SimulatedWorker {
  readonly #sql: Connection;
  readonly #name: string;
  readonly #chance: Chance;
  readonly #pool: "gpu" | "api";
  #held: string | undefined;
  readonly #forgotten: string[] = [];
  #lives = 0;

  constructor(
    sql: Connection,
    name: string,
    chance: Chance,
    pool: "gpu" | "api",
  ) {
    this.#sql = sql;
    this.#name = name;
    this.#chance = chance;
    this.#pool = pool;
  }

  /** One call, of a kind that its state and chance decide. */
  async step(): Promise<void> {
    const late = this.#forgotten.length > 3 && this.#forgotten.shift();
    if (late) return void await complete(this.#sql, late);
    if (this.#held === undefined) return await this.#claim();
    await this.#act(this.#held, this.#chance.pick(DEEDS));
  }

  async #claim(): Promise<void> {
    const worker = `${this.#name}-${this.#lives}`;
    const task = await claim(this.#sql, worker, { p_run_type: this.#pool });
    this.#held = task?.task_id;
  }

  async #act(taskId: string, deed: Deed): Promise<void> {
    if (deed === "crash") return await this.#claim();
    if (deed === "report") {
      return await unlessEnded(report(this.#sql, taskId, "In Progress"));
    }
    this.#held = undefined;
    if (deed === "complete") await complete(this.#sql, taskId);
    if (deed === "fail") {
      await report(this.#sql, taskId, "Failed", { p_error_message: "broken" });
    }
    if (deed === "hand back") {
      await unlessEnded(report(this.#sql, taskId, "Queued"));
    }
    if (deed === "forget") {
      this.#forgotten.push(taskId);
      this.#lives++;
    }
  }
}

/** Somebody else may have taken the task back or ended it: 409 is right then. */
async function unlessEnded(call: Promise<unknown>): Promise<void> {
  try {
    await call;
  } catch (error) {
    const isConflict = error instanceof postgres.PostgresError &&
      error.code === "PT409";
    if (!isConflict) throw error;
  }
}
