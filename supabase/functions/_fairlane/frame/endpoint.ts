import type { z } from "zod";
import type { ErrorCode } from "../../../../shared/error-codes.ts";
import type { Caller, Identify } from "../callers/caller.ts";
import { readCredentials } from "../callers/credentials.ts";
import type { Repetition } from "../database/repetition.ts";
import type { Rpc, RpcArgumentsOf, RpcName } from "../database/rpc.ts";
import type { Files } from "../files/files.ts";
import type { FilePaths } from "../files/storage-path.ts";
import { repairJson } from "../json/repair-json.ts";
import { ApiError, asApiError, toResponse } from "./api-error.ts";
import { levelOf, type LogFields, type LogSink, writeLog } from "./log.ts";
import { createNoteCall } from "./note-calls.ts";
import { createNoteUnusedFields } from "./note-unused-fields.ts";
import { parseBody } from "./parse-body.ts";
import { readBody } from "./read-body.ts";
import type { SharedAnswers } from "./shared-answers.ts";
import {
  preflightResponse,
  requestIdOf,
  setReplyHeaders,
} from "./reply-headers.ts";

/** What an endpoint needs from the outside; tests pass fakes. */
export interface EndpointDeps {
  readonly identify: Identify;
  readonly rpc: Rpc;
  readonly files: Files;
  readonly paths: FilePaths;
  readonly log: LogSink;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
  readonly createRequestId: () => string;
  readonly shared: SharedAnswers;
  /** Lets work go on after the reply, as long as the platform allows. */
  readonly after: (work: Promise<void>) => void;
}

/** One authenticated and parsed request. */
export interface Call<Body> {
  readonly caller: Caller;
  readonly body: Body;
  /** The body as it came (a report: repaired), for members that must keep their spelling. */
  readonly bodyText: string;
  /** Whether the caller wants no answer that others were given. */
  readonly isFresh: boolean;
  /** The key that the caller was known by. */
  readonly key: string;
  /** Calls the database in the caller's name. */
  readonly rpc: <Name extends RpcName>(
    name: Name,
    args: RpcArgumentsOf<Name>,
    repetition?: Repetition,
  ) => Promise<string>;
  /** Adds fields to the request's log line. */
  readonly note: (fields: LogFields) => void;
}

/** What one endpoint adds to the common frame. */
export interface Endpoint<Body> {
  readonly name: string;
  readonly callers: readonly Caller["kind"][];
  readonly schema: z.ZodType<Body>;
  /** The fields that are read, where the schema itself cannot tell. */
  readonly fields?: readonly string[];
  readonly maxBytes: number;
  /** A report is read however its sender's JSON library writes it. */
  readonly isReport?: boolean;
  /** Whether it changes nothing. */
  readonly reads?: boolean;
  /** Whether it may be asked by GET as well, its fields in the query. */
  readonly answersGet?: boolean;
  /** The task it reads about; only endpoints that just read set it, see `NoteCall`. */
  readonly asksAbout?: (body: Body) => string | undefined;
  /** The code for a body that nests too deep or holds too many values. */
  readonly codeOfTooMuch?: ErrorCode;
  readonly answer: (
    call: Call<Body>,
    deps: EndpointDeps,
  ) => Promise<Response>;
}

/** A request handler, as `Deno.serve` takes it. */
export type Handler = (request: Request) => Promise<Response>;

/** An endpoint, given its dependencies. */
export type CreateHandler = (deps: EndpointDeps) => Handler;

/** A request as far as it was read. */
interface Sent<Body> {
  readonly caller: Caller;
  readonly body: Body;
  readonly bodyText: string;
  /** The names of the fields of the body, used or not. */
  readonly fields: readonly string[];
}

/** Headers with this prefix, set by SQL functions, are for our caller. */
const OWN_HEADERS = "x-fairlane-";

/** How long a body may take to arrive. */
const BODY_TIMEOUT_MS = 30_000;

/**
 * The frame of every endpoint: method, caller, body, one rpc, reply, log line.
 * In this order, so that a stranger costs no more than a hash.
 */
export function defineEndpoint<Body>(endpoint: Endpoint<Body>): CreateHandler {
  return (deps) => createHandler(deps, endpoint);
}

function createHandler<Body>(
  deps: EndpointDeps,
  endpoint: Endpoint<Body>,
): Handler {
  const noteUnusedFields = createNoteUnusedFields(deps, endpoint);
  const noteCall = createNoteCall(deps);
  return async (request) => {
    const startedAt = deps.now();
    const requestId = requestIdOf(request.headers, deps.createRequestId);
    let noted: LogFields = {};
    const note = (fields: LogFields) => {
      noted = { ...noted, ...fields };
    };

    const heard = new Headers();
    const hear = (headers: Headers) => {
      for (const [name, value] of headers) {
        if (name.startsWith(OWN_HEADERS)) heard.set(name, value);
      }
    };

    let sent: Sent<Body> | undefined;
    let response: Response;
    try {
      if (request.method === "OPTIONS") response = preflightResponse();
      else {
        sent = await receive(deps, endpoint, request, note);
        const { caller, body, bodyText } = sent;
        const rpc: Call<Body>["rpc"] = (name, args, repetition) =>
          deps.rpc(
            name,
            { p_caller: caller, ...args },
            requestId,
            repetition,
            hear,
          );
        const { bearer, apikey } = readCredentials(request.headers);
        const call = {
          ...{ caller, body, bodyText, rpc, note },
          isFresh: wantsFresh(request.headers),
          key: bearer ?? apikey ?? "",
        };
        response = await endpoint.answer(call, deps);
      }
      for (const [name, value] of heard) response.headers.set(name, value);
    } catch (thrown) {
      const error = asApiError(thrown);
      note({ code: error.code, ...error.parts.logged });
      response = toResponse(error);
    }
    // Also after a failure, which may have been half a success.
    if (sent !== undefined && !endpoint.reads) deps.shared.forget();
    setReplyHeaders(response, requestId);

    const { status } = response;
    const { bearer, apikey } = readCredentials(request.headers);
    writeLog(deps.log, levelOf(status), "request", {
      request_id: requestId,
      function: endpoint.name,
      status,
      ...noted,
      ms: Math.round(deps.now() - startedAt),
    }, [bearer, apikey].filter((secret) => secret !== null));
    if (sent !== undefined && status < 500) {
      const { caller, body, fields } = sent;
      noteUnusedFields(caller, fields, requestId);
      noteCall(caller, endpoint.asksAbout?.(body), requestId);
    }
    return response;
  };
}

/** Who calls, and with what request. */
async function receive<Body>(
  deps: EndpointDeps,
  endpoint: Endpoint<Body>,
  request: Request,
  note: (fields: LogFields) => void,
): Promise<Sent<Body>> {
  const isGet = request.method === "GET" && endpoint.answersGet === true;
  if (request.method !== "POST" && !isGet) {
    throw new ApiError(
      "METHOD_NOT_ALLOWED",
      `The method must be POST${endpoint.answersGet ? " or GET" : ""}`,
      { allow: `${endpoint.answersGet ? "GET, " : ""}POST, OPTIONS` },
    );
  }

  const caller = await deps.identify(readCredentials(request.headers));
  note({ caller: caller.kind });
  if (!endpoint.callers.includes(caller.kind)) {
    throw new ApiError(
      "FORBIDDEN",
      `The caller must be one of: ${endpoint.callers.join(", ")}`,
    );
  }

  const isReport = endpoint.isReport ?? false;
  const text = isGet ? queryAsJson(request.url) : await readBody(request, {
    maxBytes: endpoint.maxBytes,
    timeoutMs: BODY_TIMEOUT_MS,
    isLenient: isReport,
  });
  const bodyText = isReport ? repairJson(text) : text;
  const { body, fields } = parseBody(
    bodyText,
    endpoint.schema,
    endpoint.codeOfTooMuch,
  );
  return { caller, body, bodyText, fields };
}

function wantsFresh(headers: Headers): boolean {
  return /\bno-(?:cache|store)\b/i.test(headers.get("cache-control") ?? "");
}

/** The fields of a query as the body they would be: true and false are no texts there. */
function queryAsJson(url: string): string {
  const fields = [...new URL(url).searchParams].map(([name, value]) => [
    name,
    value === "true" ? true : value === "false" ? false : value,
  ]);
  return JSON.stringify(Object.fromEntries(fields));
}
