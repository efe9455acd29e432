import type { StackAddresses } from "../stack/stack-addresses.ts";

/** Calls an edge function that the kit for workers has no call for. */
export async function callFunction(
  { functionsUrl }: StackAddresses,
  name: string,
  body: unknown,
  key: string,
): Promise<unknown> {
  const reply = await fetch(`${functionsUrl}/${name}`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${key}`,
      "content-type": "application/json",
    },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(60_000),
  });
  const text = await reply.text();
  if (!reply.ok) throw new Error(`${name} answered ${reply.status}: ${text}`);
  return JSON.parse(text);
}
