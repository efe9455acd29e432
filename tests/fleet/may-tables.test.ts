/** Tables of the orchestrators of May, which this queue does not have. */
import { describe, expect, it } from "vitest";
import { rest } from "../support/rest.ts";

describe("the tables that only O4 knows", () => {
  it.each([
    "orchestrator_leases",
    "worker_capacity_intents",
    "worker_capacity_route_backoffs",
  ])("%s is not there: 404 in JSON, to reads and writes", async (table) => {
    const read = await rest("GET", table, { select: "*" });
    expect([read.status, read.json]).toMatchObject([404, {
      code: expect.stringMatching(/^(PGRST205|42P01)$/),
      message: expect.stringContaining(table),
    }]);
    // Of a write PostgREST 12.0 says no more than that.
    const id = { id: "eq.a" };
    for (
      const reply of [
        await rest("POST", table, {}, { body: { id: "a" } }),
        await rest("PATCH", table, id, { body: { id: "b" } }),
      ]
    ) {
      expect([reply.status, reply.json])
        .toEqual([404, expect.any(Object)]);
    }
  });
});
