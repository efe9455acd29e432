import type { Reply } from "./http.ts";
import { API_SCHEMA, isGuest, profileHeaders } from "./profile.ts";
import { stack } from "./stack.ts";

/** One request to the stack's gateway, sent as it is. */
export interface Sent {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** Sends a request to a path behind the gateway and reads the whole reply. */
export async function send(
  path: string,
  { method = "GET", headers = {}, body }: Sent = {},
): Promise<Reply> {
  const response = await fetch(`${stack().apiUrl}${dataPath(path)}`, {
    method,
    headers: { ...profileHeaders, ...headers },
    ...(body === undefined ? {} : { body }),
    signal: AbortSignal.timeout(120_000),
  });
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    text,
    json: text === "" ? undefined : JSON.parse(text),
  };
}

/** Guests have owners and no users. */
function dataPath(path: string): string {
  return isGuest
    ? path.replace(/^\/rest\/v1\/users\b/, "/rest/v1/owners")
    : path;
}

/** The headers that supabase-py sends with everything, for one key. */
export function supabasePy(key: string): Record<string, string> {
  return {
    apiKey: key,
    authorization: `Bearer ${key}`,
    "accept-profile": API_SCHEMA,
    "content-profile": API_SCHEMA,
    "x-client-info": "supabase-py/2.27.0",
  };
}

/**
 * A request to the Data API as the deployed orchestrator sends it: its query
 * percent-encoded, writes answered with the rows they touched.
 *
 * @example rest("GET", "tasks", { select: "id", status: "eq.In Progress" })
 */
export function rest(
  method: string,
  table: string,
  query: Readonly<Record<string, string>> | URLSearchParams = {},
  { key = stack().serviceRoleKey, body, headers = {} }: {
    readonly key?: string;
    readonly body?: unknown;
    readonly headers?: Readonly<Record<string, string>>;
  } = {},
): Promise<Reply> {
  return send(`/rest/v1/${table}?${new URLSearchParams(query)}`, {
    method,
    headers: {
      ...supabasePy(key),
      ...(body === undefined ? {} : {
        "content-type": "application/json",
        prefer: "return=representation",
      }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

/** `.single()` of supabase-py: one row as an object, or 406. */
export const SINGLE = { accept: "application/vnd.pgrst.object+json" };
