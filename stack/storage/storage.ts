import type { IncomingMessage, ServerResponse } from "node:http";
import { answerPreflight, corsHeaders } from "../cors.ts";
import type { LogLine } from "../log.ts";
import { answerJson } from "../proxy.ts";
import { readClaims } from "./caller.ts";
import { Objects } from "./objects.ts";
import { ROUTES, type Visit } from "./routes.ts";
import { connectRows, type DatabaseSocket } from "./rows.ts";
import { StorageRefusal } from "./storage-error.ts";

/**
 * A stand-in for Supabase Storage: the part of its HTTP interface that the
 * Supabase clients use to upload, sign uploads, read, list and remove.
 */
export interface StorageStandIn {
  handle(
    request: IncomingMessage,
    response: ServerResponse,
    path: string,
    query: string,
  ): void;
  stop(): Promise<void>;
}

/** What the stand-in is told. */
export interface StorageOptions {
  /** Where the bytes go. */
  readonly dir: string;
  readonly database: DatabaseSocket;
  readonly log: LogLine;
}

/** Makes the stand-in; nothing is read or written until it is asked. */
export function standInForStorage(options: StorageOptions): StorageStandIn {
  const rows = connectRows(options.database);
  const objects = new Objects(rows, options.dir);
  return {
    handle(request, response, path, query) {
      if (answerPreflight(request, response)) return;
      const cors = corsHeaders(request);
      const visit: Visit = {
        request,
        response,
        objects,
        query: new URLSearchParams(query),
        claims: () => readClaims(request.headers),
        reply: (body) => answerJson(response, 200, body, cors),
      };
      route(visit, path).catch((error: unknown) => {
        request.resume();
        if (response.headersSent) return response.destroy();
        if (error instanceof StorageRefusal) {
          return answerJson(response, error.httpStatus, error.body, cors);
        }
        options.log(`storage | ${String(error)}`);
        answerJson(response, 500, {
          statusCode: "500",
          code: "InternalError",
          error: "InternalError",
          message: "Internal server error",
        }, cors);
      });
    },
    stop: () => rows.close(),
  };
}

/** What the real one also does, and what is therefore no bucket's name. */
const OTHER_WORDS = /^(copy|move|sign|list-v2)(\/|$)/;

async function route(visit: Visit, path: string): Promise<void> {
  const below = /^\/object\/(.*)$/.exec(path)?.[1];
  const isOther = OTHER_WORDS.test(below ?? "");
  for (const [method, words, visitRoute] of ROUTES) {
    if (below === undefined || isOther || visit.request.method !== method) {
      continue;
    }
    if (words !== "" && !below.startsWith(`${words}/`)) continue;
    const rest = words === "" ? below : below.slice(words.length + 1);
    const [bucket = "", ...name] = rest.split("/").map(decode);
    return await visitRoute(visit, bucket, name.join("/"));
  }
  throw new StorageRefusal(
    404,
    "NotImplemented",
    "This local stand-in for Storage does not know that request",
  );
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new StorageRefusal(400, "InvalidKey", `Invalid key: ${part}`);
  }
}
