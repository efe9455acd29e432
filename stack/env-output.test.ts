import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { envLines } from "./env-output.ts";
import { stackAddresses } from "./stack-addresses.ts";
import { tryItText } from "./status-text.ts";

const addresses = stackAddresses(54321, 54322);

describe("envLines()", () => {
  it("prints the Supabase CLI's names, quoted", () => {
    expect(envLines(addresses).split("\n")).toEqual([
      'API_URL="http://127.0.0.1:54321"',
      'FUNCTIONS_URL="http://127.0.0.1:54321/functions/v1"',
      'DB_URL="postgresql://postgres:postgres@127.0.0.1:54322/postgres"',
      `PUBLISHABLE_KEY="${addresses.publishableKey}"`,
      `SECRET_KEY="${addresses.secretKey}"`,
      `JWT_SECRET="${addresses.jwtSecret}"`,
      `ANON_KEY="${addresses.anonKey}"`,
      `SERVICE_ROLE_KEY="${addresses.serviceRoleKey}"`,
      "",
    ]);
  });
});

describe("tryItText()", () => {
  it("is a script that completes the task it has claimed", () => {
    // A curl that answers the claim and shows what it is given otherwise.
    const curl = `curl() {
      case "$*" in
        *claim-next-task*) echo '{"task_id" : "t-1", "params" : {"task_id": "x"}}' ;;
        *) echo "sent: $*" ;;
      esac; }`;
    const commands = tryItText(addresses)
      .split("\n")
      .filter((line) => line.startsWith("  "))
      .join("\n");
    const output = execFileSync("sh", ["-c", `${curl}\n${commands}`]);
    expect(String(output)).toMatch(/sent: .*complete-task .*"task_id": "t-1"/);
  });
});
