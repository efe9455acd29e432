import { describe, expect, it } from "vitest";
import { startFailure } from "./start-failure.ts";

describe("startFailure()", () => {
  it("says what Postgres said, and how to give up that database and no other", () => {
    const log = "2026 LOG:  starting\n2026 PANIC:  could not read pg_control\n";
    const { message } = startFailure(log, "/x/postgres-17/data", 17);
    expect(message).toContain("/x/postgres-17/data");
    expect(message).toContain("It says: could not read pg_control");
    expect(message).toContain("POSTGRES=17 npm run stack -- reset");
    expect(message).not.toContain("starting");
  });
});
