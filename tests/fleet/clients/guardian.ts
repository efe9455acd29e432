import { beatBody } from "../../support/beats.ts";
import type { Wire } from "./wire.ts";

/** The process beside a worker that beats for it: contract 5. */
export class Guardian {
  constructor(private readonly workerId: string, private readonly wire: Wire) {}

  /** A beat; a lost one is not sent again. */
  async beat(): Promise<void> {
    await this.send("active");
  }

  /** The last beat, when the worker's process is gone. */
  async reportEnd(): Promise<void> {
    await this.send("crashed");
  }

  private async send(status: "active" | "crashed"): Promise<void> {
    const lines = [{ message: "Still here" }];
    const body = beatBody(this.workerId, lines, { status_param: status });
    await this.wire.rpc("func_worker_heartbeat_with_logs", body)
      .catch(() => null);
  }
}
