import process from "node:process";
import { createClient } from "@supabase/supabase-js";

// Bench only: the same claim through the official client.

const keys = JSON.parse(process.env.SUPABASE_SECRET_KEYS ?? "{}");
const client = createClient(process.env.SUPABASE_URL ?? "", keys.default, {
  auth: { persistSession: false },
});

/** Claims a task for the worker that the body names. */
async function answer(request: Request): Promise<Response> {
  const { worker_id } = await request.json();
  const { data, error, status } = await client.rpc("claim_next_task", {
    p_caller: { kind: "service" },
    p_worker_id: worker_id,
  });
  return Response.json(error ?? data, { status });
}

export default { fetch: answer };
