import { beforeAll, describe, expect, it } from "vitest";
import { admin } from "../support/db.ts";
import { callFunction, type CallOptions } from "../support/http.ts";
import { isServed } from "../support/profile.ts";
import { expectError } from "../support/replies.ts";
import { stack } from "../support/stack.ts";
import { userJwt } from "../support/tokens.ts";
import {
  createOwner,
  createToken,
  type Owner,
  reset,
} from "../support/world.ts";

const NO_TASK = "00000000-0000-4000-8000-000000000000";

/** Each endpoint with a body that changes nothing. */
const ENDPOINTS = {
  "task-counts": {},
  "claim-next-task": { worker_id: "worker-of-the-matrix" },
  "complete-task": { task_id: NO_TASK },
  "complete_task": { task_id: NO_TASK },
  "update-task-status": { task_id: NO_TASK, status: "Failed" },
  "mark-task-failed": { task_id: NO_TASK },
  "generate-upload-url": {
    task_id: NO_TASK,
    filename: "out.mp4",
    content_type: "video/mp4",
  },
  "create-task": { task_type: "test", project_id: NO_TASK },
  "get-task-status": { task_id: NO_TASK },
  "get-task-output": { task_id: NO_TASK },
  "get-predecessor-output": { task_id: NO_TASK },
  "get-orchestrator-children": { orchestrator_task_id: NO_TASK },
  "cancel-tasks": { task_ids: [NO_TASK] },
  "get-completed-segments": { run_id: "run-of-the-matrix" },
  "beat": { worker_id: "beater-of-the-matrix" },
  "update-worker-model": { worker_id: "worker-of-the-matrix", model: "wan" },
  "update-shot-pair-prompts": {
    shot_id: NO_TASK,
    task_id: NO_TASK,
    enhanced_prompts: [],
  },
} as const;
type Endpoint = keyof typeof ENDPOINTS;

/** What a caller is told by each kind of endpoint. */
interface Expected {
  readonly counts: number | string;
  readonly claim: number | string;
  readonly beat: number | string;
  readonly creates: number | string;
  readonly ofATask: number | string;
  readonly ofAWorker: number | string;
  readonly unserved: number | string;
}
const WELCOME: Expected = {
  counts: 200,
  claim: 204,
  beat: 200,
  creates: "PROJECT_NOT_FOUND",
  ofATask: "TASK_NOT_FOUND",
  ofAWorker: "WORKER_NOT_FOUND",
  unserved: "NOT_SUPPORTED",
};
const TOKEN: Expected = { ...WELCOME, ofAWorker: "FORBIDDEN" };
const USER: Expected = { ...TOKEN, claim: "FORBIDDEN", beat: "FORBIDDEN" };
const all = (code: string): Expected => ({
  counts: code,
  claim: code,
  beat: code,
  creates: code,
  ofATask: code,
  ofAWorker: code,
  unserved: code,
});

/** Who may not say it at all is not looked up. */
const UNKNOWN: Expected = { ...all("UNKNOWN_TOKEN"), ofAWorker: "FORBIDDEN" };

const CALLERS: Record<
  string,
  [() => CallOptions | Promise<CallOptions>, Expected]
> = {
  "the legacy service key as Bearer": [
    () => ({ key: stack().serviceRoleKey }),
    WELCOME,
  ],
  "the legacy service key as apikey": [
    () => ({ headers: { apikey: stack().serviceRoleKey } }),
    WELCOME,
  ],
  "the secret key as Bearer": [() => ({ key: stack().secretKey }), WELCOME],
  "the secret key as apikey": [
    () => ({ headers: { apikey: stack().secretKey } }),
    WELCOME,
  ],
  "the service key in both headers": [
    () => ({
      key: stack().serviceRoleKey,
      headers: { apikey: stack().serviceRoleKey },
    }),
    WELCOME,
  ],
  "the secret key beside the anon key": [
    () => ({ key: stack().anonKey, headers: { apikey: stack().secretKey } }),
    WELCOME,
  ],
  "a token": [async () => ({ key: await createToken(owner) }), TOKEN],
  "a token beside the publishable key": [
    async () => ({
      key: await createToken(owner),
      headers: { apikey: stack().publishableKey },
    }),
    TOKEN,
  ],
  "a user": [async () => ({ key: await userJwt(owner.id) }), USER],
  "a revoked token": [
    async () => ({ key: await endedToken("revoked_at") }),
    UNKNOWN,
  ],
  "an expired token": [
    async () => ({ key: await endedToken("expires_at") }),
    UNKNOWN,
  ],
  "junk": [() => ({ key: "junk" }), UNKNOWN],
  "most of the secret key": [
    () => ({ key: stack().secretKey.slice(0, -1) }),
    UNKNOWN,
  ],
  "the anon key": [() => ({ key: stack().anonKey }), all("FORBIDDEN")],
  "the publishable key": [
    () => ({ headers: { apikey: stack().publishableKey } }),
    all("FORBIDDEN"),
  ],
  "an expired user": [
    async () => ({ key: await userJwt(owner.id, { expiresInSeconds: -60 }) }),
    all("INVALID_CREDENTIALS"),
  ],
  "a user of another project": [
    async () => ({
      key: await userJwt(owner.id, {
        secret: "another-secret-of-32-characters!",
      }),
    }),
    all("INVALID_CREDENTIALS"),
  ],
  "a user that signed nothing": [
    () => ({ key: unsigned({ role: "authenticated", sub: owner.id }) }),
    all("INVALID_CREDENTIALS"),
  ],
  "a service role that signed nothing": [
    () => ({ key: unsigned({ role: "service_role" }) }),
    all("INVALID_CREDENTIALS"),
  ],
  "a Basic header": [
    () => ({ headers: { authorization: "Basic dXNlcjpwYXNz" } }),
    all("INVALID_CREDENTIALS"),
  ],
  // API orchestrators without a token send exactly this.
  "an empty header": [
    () => ({ headers: { authorization: "" } }),
    all("MISSING_CREDENTIALS"),
  ],
  "nobody": [() => ({}), all("MISSING_CREDENTIALS")],
};

let owner: Owner;

beforeAll(async () => {
  await reset();
  owner = await createOwner();
});

describe.each(Object.entries(CALLERS))(
  "%s",
  (_name, [credentials, expected]) => {
    it.each((Object.keys(ENDPOINTS) as Endpoint[]).filter(isServed))(
      "is answered by %s as the contract says",
      async (endpoint) => {
        const reply = await callFunction(
          endpoint,
          ENDPOINTS[endpoint],
          await credentials(),
        );
        const wanted = expected[kindOf(endpoint)];
        if (typeof wanted === "number") expect(reply.status).toBe(wanted);
        else expectError(reply, wanted as Parameters<typeof expectError>[1]);
      },
    );
  },
);

function kindOf(endpoint: Endpoint): keyof Expected {
  switch (endpoint) {
    case "task-counts":
    case "get-completed-segments":
    case "cancel-tasks":
      return "counts";
    case "claim-next-task":
      return "claim";
    case "beat":
      return "beat";
    case "create-task":
      return "creates";
    case "update-worker-model":
      return "ofAWorker";
    case "update-shot-pair-prompts":
      return "unserved";
    default:
      return "ofATask";
  }
}

async function endedToken(
  column: "revoked_at" | "expires_at",
): Promise<string> {
  const token = await createToken(owner);
  await admin()`
    update public.user_api_tokens
    set ${admin()({ [column]: new Date(Date.now() - 1000) })}
    where id = (
      select id from public.user_api_tokens order by created_at desc limit 1
    )
  `;
  return token;
}

function unsigned(claims: Record<string, unknown>): string {
  const part = (value: unknown) =>
    Buffer.from(JSON.stringify(value)).toString("base64url");
  const exp = Math.floor(Date.now() / 1000) + 3600;
  return `${part({ alg: "none" })}.${part({ ...claims, exp })}.`;
}
