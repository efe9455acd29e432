import { SignJWT } from "jose";
import { ErrorBody } from "../../../../shared/error-codes.ts";
import { createIdentify } from "../callers/caller.ts";
import { createVerifyUserToken } from "../callers/user-jwt.ts";
import type { Repetition } from "../database/repetition.ts";
import type { RpcArguments } from "../database/rpc.ts";
import type { Files } from "../files/files.ts";
import { createFilePaths } from "../files/storage-path.ts";
import type { EndpointDeps, Handler } from "../frame/endpoint.ts";
import { createSharedAnswers } from "../frame/shared-answers.ts";

/** Keys of a project that exists in tests only; they must never be logged. */
export const KEYS = {
  secret: "sb_secret_canary1canary1canary1_abcdefgh",
  legacyService: "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoic2VydmljZV9yb2xlIn0.canary2",
  publishable: "sb_publishable_canary3canary3_abcdefgh",
  anon: "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoiY2FuYXJ5NCJ9.canary4",
  token: "canary5-personal-access-token-0123456789",
  jwtSecret: "canary6-jwt-secret-of-at-least-32-characters",
} as const;

/** The user whose JWTs the tests sign. */
export const USER_ID = "11111111-2222-4333-8444-555555555555";
/** A task id, and the base URL of the project. */
export const TASK_ID = "0f8fad5b-d9cb-469f-a165-70867728950e";
export const SUPABASE_URL = "http://api.test";

/** A JWT of the project's own secret; `claims` override the usual ones. */
export function signUserToken(
  claims: Record<string, unknown> = {},
): Promise<string> {
  return new SignJWT({
    sub: USER_ID,
    role: "authenticated",
    aud: "authenticated",
    exp: Math.floor(Date.now() / 1000) + 3600,
    ...claims,
  }).setProtectedHeader({ alg: "HS256" })
    .sign(new TextEncoder().encode(KEYS.jwtSecret));
}

/** The outside world as a test sets it up, and what was done to it. */
export interface FakeWorld {
  readonly deps: EndpointDeps;
  readonly rpcCalls: { name: string; args: RpcArguments; requestId: string }[];
  /** What each of those calls was told of its being made twice. */
  readonly repetitions: (Repetition | undefined)[];
  readonly lines: string[];
  /** What was noted of fields that are not used, beside the calls. */
  readonly notes: RpcArguments[];
}

const noStorage = () => Promise.reject(new Error("No test has a storage"));

/** A storage that is not there; see `createFileWorld` for one that is. */
const NO_FILES: Files = {
  upload: noStorage,
  signUpload: noStorage,
  size: noStorage,
  remove: noStorage,
  publicUrl: (path) => `${SUPABASE_URL}/${path}`,
};

/** A world whose database answers `reply`, or throws it when it is an error. */
export function createWorld(reply: string | Error): FakeWorld {
  const rpcCalls: FakeWorld["rpcCalls"] = [];
  const repetitions: FakeWorld["repetitions"] = [];
  const lines: string[] = [];
  const notes: RpcArguments[] = [];
  const deps: EndpointDeps = {
    identify: createIdentify({
      serviceKeys: [KEYS.secret, KEYS.legacyService],
      publicKeys: [KEYS.publishable, KEYS.anon],
      verifyUserToken: createVerifyUserToken({
        jwks: { keys: [] },
        jwtSecret: KEYS.jwtSecret,
        now: () => new Date(),
      }),
    }),
    rpc: (name, args, requestId, repetition) => {
      if (name === "note_unused_fields") notes.push(args);
      else {
        rpcCalls.push({ name, args, requestId });
        repetitions.push(repetition);
      }
      return reply instanceof Error
        ? Promise.reject(reply)
        : Promise.resolve(reply);
    },
    files: NO_FILES,
    paths: createFilePaths(KEYS.secret),
    log: (_level, line) => lines.push(line),
    now: () => 0,
    shared: createSharedAnswers(1_000, () => 0),
    createRequestId: () => "fresh-request-id",
    after: () => {},
  };
  return { deps, rpcCalls, repetitions, lines, notes };
}

/** A POST with a JSON body, in the name of the service unless told otherwise. */
export function post(
  body: unknown,
  headers: Record<string, string> = { authorization: `Bearer ${KEYS.secret}` },
): Request {
  return new Request("http://functions.test/any", {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
}

/** Sends one request and reads the reply as status and error code. */
export async function outcome(
  handler: Handler,
  request: Request,
): Promise<string> {
  const response = await handler(request);
  const text = await response.text();
  if (response.status < 400) return String(response.status);
  return `${response.status} ${ErrorBody.parse(JSON.parse(text)).code}`;
}
