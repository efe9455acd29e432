import type { Reply } from "../../support/http.ts";
import { send } from "../../support/rest.ts";
import { stack } from "../../support/stack.ts";
import { API_WORKER } from "./api-claims.ts";

/** The upsert of an API orchestrator of May at its start. */
export function registerApiWorker(): Promise<Reply> {
  const now = new Date().toISOString();
  return send("/rest/v1/workers?on_conflict=id", {
    method: "POST",
    headers: {
      apikey: stack().serviceRoleKey,
      authorization: `Bearer ${stack().serviceRoleKey}`,
      "content-type": "application/json",
      prefer: "return=representation,resolution=merge-duplicates",
    },
    body: JSON.stringify({
      id: API_WORKER,
      instance_type: "api",
      status: "active",
      last_heartbeat: now,
      metadata: { type: "api_orchestrator" },
      created_at: now,
    }),
  });
}
