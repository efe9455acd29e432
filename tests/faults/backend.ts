import { vi } from "vitest";
import { ENDPOINTS } from "../../supabase/functions/_fairlane/endpoints.ts";
import { createPostgrestRpc } from "../../supabase/functions/_fairlane/database/postgrest.ts";
import {
  createDeps,
  type ReachDatabase,
} from "../../supabase/functions/_fairlane/frame/deps.ts";
import { functionEnv, stack } from "../support/stack.ts";
import { type Fault, strike } from "./faults.ts";

/** The functions that the deployed clients call. */
export type FunctionName =
  | "claim-next-task"
  | "complete-task"
  | "create-task"
  | "generate-upload-url"
  | "mark-task-failed"
  | "task-counts"
  | "update-task-status";

/** Where a fault strikes. */
export interface Plan {
  readonly struck: FunctionName;
  /** Which of its calls, from 1; 0 = the way between client and function. */
  readonly call: number;
  /** Every call below this path instead. */
  readonly path?: string;
  readonly fault: Fault;
  /** How many requests to the function meet with it: the first, or all. */
  readonly requests: number;
}

/** The functions with all that they are made of, behind a network with faults. */
export interface Backend {
  /** Sends one request to a function, as its client does. */
  send(name: FunctionName, body: object): Promise<Response>;
  /** From now on; no faults when undefined. */
  plan: Plan | undefined;
  /** The calls that each function's last request made, as method and path. */
  readonly calls: Map<FunctionName, string[]>;
}

/** Functions as their entry files make them, each with a network of its own. */
export function createBackend(): Backend {
  // One client, so one request at a time.
  let calls: string[] = [];
  let strikes: Plan | undefined;
  let requests = 0;

  const network: typeof fetch = (input, init) => {
    const { pathname } = new URL(String(input));
    calls.push(`${init?.method} ${pathname}`);
    const send = () => fetch(input, init);
    const isStruck = strikes?.path === undefined
      ? strikes?.call === calls.length
      : pathname.includes(strikes.path);
    return strikes && isStruck ? strike(strikes.fault, send) : send();
  };
  const handlers = createHandlers(network);

  const backend: Backend = {
    plan: undefined,
    calls: new Map(),
    send(name, body) {
      const { plan } = backend;
      const isStruck = plan?.struck === name && requests++ < plan.requests;
      strikes = isStruck ? plan : undefined;
      const send = () => {
        calls = [];
        backend.calls.set(name, calls);
        return handlers[name](requestWith(body));
      };
      return strikes?.call === 0 ? strike(strikes.fault, send) : send();
    },
  };
  return backend;
}

function createHandlers(network: typeof fetch) {
  const env = functionEnv();
  const read = (name: string) => env[name];
  const silently = { log: () => {} };
  const reach: ReachDatabase = (env, timeoutMs) =>
    createPostgrestRpc({ ...env, fetch: network, timeoutMs });
  // They take the global one when they are made.
  vi.stubGlobal("fetch", network);
  const deps = { ...createDeps(read, reach), ...silently };
  vi.unstubAllGlobals();
  return {
    "claim-next-task": ENDPOINTS["claim-next-task"](deps),
    "complete-task": ENDPOINTS["complete-task"](deps),
    "create-task": ENDPOINTS["create-task"](deps),
    "generate-upload-url": ENDPOINTS["generate-upload-url"](deps),
    "mark-task-failed": ENDPOINTS["mark-task-failed"](deps),
    "task-counts": ENDPOINTS["task-counts"](deps),
    "update-task-status": ENDPOINTS["update-task-status"](deps),
  };
}

function requestWith(body: object): Request {
  return new Request("http://functions.test/any", {
    method: "POST",
    headers: {
      authorization: `Bearer ${stack().serviceRoleKey}`,
      "content-type": "application/json",
    },
    body: JSON.stringify(body),
  });
}
