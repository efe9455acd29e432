import process from "node:process";
import postgres from "postgres";

// Bench only: the same claim over a connection of the function's own.

const sql = postgres(process.env.SUPABASE_DB_URL ?? "", { max: 8 });
const caller = { kind: "service" };

/** Claims a task for the worker that the body names. */
async function answer(request: Request): Promise<Response> {
  const { worker_id } = await request.json();
  const [row] = await sql`
    select public.claim_next_task(${sql.json(caller)}, ${worker_id})::text
      as reply`;
  return new Response(row?.reply ?? "null");
}

export default { fetch: answer };
