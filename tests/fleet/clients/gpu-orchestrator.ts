import { resetLostTasks } from "./resets.ts";
import type { Row, Wire } from "./wire.ts";

/** GPU_IDLE_TIMEOUT_SEC of its code. */
const DEAD_AFTER_SECONDS = 600;
const STATUSES = "in.(spawning,active,terminating,error,terminated)";

/** The cycle of the deployed GPU orchestrator: contract 4.2. */
export class GpuOrchestrator {
  constructor(
    private readonly wire: Wire,
    /** Rents a machine, whose worker then starts. */
    private readonly rent: (workerId: string) => void,
    private readonly maxWorkers: number,
    /** Tests move the clock of the database; this one has to follow. */
    private readonly now: () => Date = () => new Date(),
  ) {}

  /** One cycle. Without a list of workers there is none until the next. */
  async cycle(): Promise<void> {
    try {
      const workload = await this.workload();
      const workers = await this.workers();
      const dead: string[] = [];
      for (const worker of workers) {
        if (worker["status"] === "active" && await this.isDead(worker)) {
          dead.push(String(worker["id"]));
        }
      }
      for (const id of dead) await this.fail(id);
      const failed = (await this.workers())
        .filter(({ status }) => status === "error" || status === "terminated")
        .map(({ id }) => String(id));
      await resetLostTasks(this.wire, failed, this.now());
      const up = workers.filter(({ id, status }) =>
        !dead.includes(String(id)) &&
        (status === "active" || status === "spawning")
      ).length;
      if (workload > up && up < this.maxWorkers) {
        await this.spawn();
      }
    } catch {
      // Logged, and all is looked at again in 30 seconds.
    }
  }

  /** One call; else two simple ones; else nothing. */
  private async workload(): Promise<number> {
    const ask = async (more: object) => {
      const answer = await this.wire.edge("task-counts", {
        run_type: "gpu",
        ...more,
      }).catch(() => null);
      if (answer?.status !== 200) return null;
      return (answer.json as { totals: Record<string, number> }).totals;
    };
    const totals = await ask({}) ?? await ask({ include_active: true });
    return (totals?.["queued_only"] ?? 0) + (totals?.["active_only"] ?? 0);
  }

  private async workers(): Promise<Row[]> {
    const query = { select: "*", order: "created_at.desc", status: STATUSES };
    return await this.wire.rows("GET", "workers", query);
  }

  private async isDead(worker: Row): Promise<boolean> {
    const tasks = await this.wire.rows("GET", "tasks", {
      select: "id",
      worker_id: `eq.${worker["id"]}`,
      status: "eq.In Progress",
    }).catch(() => []);
    const beat = Date.parse(String(worker["last_heartbeat"]));
    const age = (this.now().getTime() - beat) / 1000;
    return tasks.length > 0 && age > DEAD_AFTER_SECONDS;
  }

  /** Reads the metadata, changes it, writes it whole. */
  private async fail(id: string): Promise<void> {
    const query = { select: "metadata", id: `eq.${id}` };
    const read = await this.wire.single("workers", query).catch(() => null);
    const before = (read?.["metadata"] ?? {}) as object;
    const metadata = {
      ...before,
      orchestrator_status: "error",
      error_reason: "Stale heartbeat with active tasks",
      error_time: this.now().toISOString(),
    };
    await this.wire.rows("PATCH", "workers", { id: `eq.${id}` }, {
      status: "error",
      metadata,
    }).catch(() => []);
  }

  private async spawn(): Promise<void> {
    const id = `gpu-20260111_120000-${crypto.randomUUID().slice(0, 8)}`;
    await this.wire.rows("POST", "workers", {}, {
      id,
      instance_type: "NVIDIA GeForce RTX 4090",
      status: "inactive",
      metadata: { orchestrator_status: "spawning", runpod_id: `pod-${id}` },
      created_at: this.now().toISOString(),
    });
    this.rent(id);
  }
}
