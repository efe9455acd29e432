import { expect } from "vitest";
import { CountsReply } from "../../shared/counts.ts";
import type { StackAddresses } from "../../stack/stack-addresses.ts";

/** Calls a function of a stack other than the one that the suites share. */
export function callOn(
  target: StackAddresses,
  name: string,
  body: unknown,
  key = target.serviceRoleKey,
): Promise<Response> {
  return fetch(`${target.functionsUrl}/${name}`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${key}`,
      "content-type": "application/json",
    },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(120_000),
  });
}

/** What the gpu autoscaler is told. */
export async function countOn(target: StackAddresses): Promise<CountsReply> {
  const body = { run_type: "gpu", include_active: false };
  const reply = await callOn(target, "task-counts", body);
  expect(reply.status).toBe(200);
  return CountsReply.parse(await reply.json());
}

let claims = 0;

/** A claim by a gpu worker that nobody has heard of. */
export function claimOn(target: StackAddresses): Promise<Response> {
  const worker_id = `gpu-of-a-test-${claims++}`;
  return callOn(target, "claim-next-task", { worker_id, run_type: "gpu" });
}
