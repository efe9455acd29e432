import type { Sql } from "postgres";
import { z } from "zod";
import { cpuMeter, type CpuReading } from "./cluster-cpu.ts";

/** What a number of equal calls cost. */
export interface Sample {
  calls: number;
  /** CPU time of the whole database. */
  cpuMs: number;
  /** CPU time of gateway, PostgREST and functions. */
  httpMs: number;
  wallMs: number;
  walBytes: number;
  latenciesMs: number[];
}

/** How many calls, from how many clients, for how long at most. */
export interface Load {
  clients: number;
  calls: number;
  budgetMs: number;
}

/** Makes one call for the client of this number. */
export type Call = (client: number) => Promise<unknown>;

const Position = z.tuple([z.object({ bytes: z.coerce.number() })]);
const Backend = z.tuple([z.object({ pid: z.number() })]);

/** Measures calls from the outside: the clock, /proc and the WAL position. */
export class Probe {
  private constructor(
    private readonly sql: Sql,
    private readonly cpu: () => CpuReading,
  ) {}

  /** A probe of the cluster behind this connection. */
  static async of(sql: Sql): Promise<Probe> {
    const [{ pid }] = Backend.parse(await sql`select pg_backend_pid() as pid`);
    return new Probe(sql, cpuMeter(pid));
  }

  /** Runs the calls, spread over the clients, and says what they cost. */
  async measure(load: Load, call: Call): Promise<Sample> {
    const latenciesMs: number[] = [];
    const walBefore = await this.walPosition();
    const cpuBefore = this.cpu();
    const start = performance.now();
    const deadline = start + load.budgetMs;
    let left = load.calls;
    const work = async (client: number) => {
      while (left-- > 0) {
        const begin = performance.now();
        await call(client);
        const end = performance.now();
        latenciesMs.push(end - begin);
        if (end > deadline) left = 0;
      }
    };
    await Promise.all(Array.from({ length: load.clients }, (_, n) => work(n)));
    const wallMs = performance.now() - start;
    const cpu = this.cpu();
    return {
      calls: latenciesMs.length,
      cpuMs: cpu.database - cpuBefore.database,
      httpMs: cpu.http - cpuBefore.http,
      wallMs,
      walBytes: await this.walPosition() - walBefore,
      latenciesMs,
    };
  }

  private async walPosition(): Promise<number> {
    const [{ bytes }] = Position.parse(
      await this.sql`
        select pg_current_wal_insert_lsn() - '0/0'::pg_lsn as bytes`,
    );
    return bytes;
  }
}
