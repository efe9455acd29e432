import process from "node:process";

// Bench only: a claim as our functions do it, one request to PostgREST.

const url = `${process.env.SUPABASE_URL}/rest/v1/rpc/claim_next_task`;
const keys = JSON.parse(process.env.SUPABASE_SECRET_KEYS ?? "{}");

/** Claims a task for the worker that the body names. */
async function answer(request: Request): Promise<Response> {
  const { worker_id } = await request.json();
  const reply = await fetch(url, {
    method: "POST",
    headers: { apikey: keys.default, "content-type": "application/json" },
    body: JSON.stringify({
      p_caller: { kind: "service" },
      p_worker_id: worker_id,
    }),
  });
  return new Response(await reply.text(), { status: reply.status });
}

export default { fetch: answer };
