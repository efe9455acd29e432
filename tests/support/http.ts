import { pathOf, profileHeaders } from "./profile.ts";
import { stack } from "./stack.ts";

/** A reply, read to its end. */
export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  /** The body byte for byte; numbers beyond 2^53 are only right here. */
  readonly text: string;
  /** The body as JSON; undefined when it is empty or something else. */
  readonly json: unknown;
}

/** Who calls, and how. */
export interface CallOptions {
  /** Sent as `Authorization: Bearer`, as deployed clients do. */
  readonly key?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly method?: string;
  /** Where the functions are, if it is not the stack's gateway. */
  readonly at?: string;
}

/**
 * Calls a function. A string is sent as it is, anything else as JSON.
 *
 * @example callFunction("task-counts", { run_type: "gpu" }, { key: secretKey })
 */
export function callFunction(
  name: string,
  body: unknown,
  options: CallOptions = {},
): Promise<Reply> {
  const { at = stack().functionsUrl } = options;
  return call(`${at}${pathOf(name)}`, body, options);
}

/** Calls a database function through the Data API, as deployed clients can. */
export function callRpc(
  name: string,
  body: unknown,
  { key, headers, ...options }: CallOptions = {},
): Promise<Reply> {
  const apikey: Record<string, string> = { apikey: stack().publishableKey };
  return call(`${stack().apiUrl}/rest/v1/rpc/${name}`, body, {
    ...options,
    headers: {
      ...profileHeaders,
      ...apikey,
      ...(key ? bearer(key) : {}),
      ...headers,
    },
  });
}

async function call(
  url: string,
  body: unknown,
  { key, headers = {}, method = "POST" }: CallOptions,
): Promise<Reply> {
  const response = await fetch(url, {
    method,
    headers: {
      "content-type": "application/json",
      ...(key === undefined ? {} : bearer(key)),
      ...headers,
    },
    ...(body === undefined ? {} : { body: toText(body) }),
    signal: AbortSignal.timeout(120_000),
  });
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    text,
    json: parse(text),
  };
}

function bearer(key: string): Record<string, string> {
  return { authorization: `Bearer ${key}` };
}

function toText(body: unknown): string {
  return typeof body === "string" ? body : JSON.stringify(body);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
