import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
} from "node:http";
import { answerPreflight, corsHeaders } from "./cors.ts";
import type { Functions } from "./functions.ts";
import { authorizeRest, refuseWithoutJwt } from "./gateway-keys.ts";
import type { LogLine } from "./log.ts";
import { answerJson, Proxy, type Upstream } from "./proxy.ts";
import { below, parseTarget, type RequestTarget } from "./request-target.ts";
import type { StorageStandIn } from "./storage/storage.ts";

/** What stands behind the gateway. */
export interface GatewayOptions {
  /** 0 = any free port. */
  port: number;
  /** Undefined while the database is made or started. */
  rest(): Upstream | undefined;
  /** Undefined until they can be started. */
  functions(): Pick<Functions, "find" | "port"> | undefined;
  storage: Pick<StorageStandIn, "handle">;
  log: LogLine;
}

/** The one address of the stack, listening. */
export interface Gateway {
  port: number;
  stop(): Promise<void>;
}

interface Exchange {
  request: IncomingMessage;
  response: ServerResponse;
  target: RequestTarget;
}

/** Starts the gateway; rejects when its port is taken. */
export function startGateway(options: GatewayOptions): Promise<Gateway> {
  const proxy = new Proxy();
  const server = createServer((request, response) => {
    const target = parseTarget(request.url ?? "/");
    logWhenDone(request, response, target, options.log);
    const exchange = { request, response, target };
    const rest = below(target.path, "/rest/v1");
    if (rest !== undefined) return toRest(exchange, rest, options, proxy);
    const path = below(target.path, "/functions/v1");
    if (path !== undefined) {
      return void toFunction(exchange, path, options, proxy);
    }
    const object = below(target.path, "/storage/v1");
    if (object !== undefined) {
      return options.storage.handle(request, response, object, target.query);
    }
    answerJson(response, 404, {
      message: "no Route matched with those values",
    });
  });
  // Longer than the usual client's, so that the client closes first.
  server.keepAliveTimeout = 65_000;
  // Uploads are read by the function; it decides how long that may take.
  server.requestTimeout = 0;

  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, "127.0.0.1", () => {
      const address = server.address();
      const port = typeof address === "object" ? address?.port : undefined;
      resolve({
        port: port ?? options.port,
        stop: () =>
          new Promise((done) => {
            server.close(() => done());
            server.closeAllConnections();
            proxy.close();
          }),
      });
    });
  });
}

function toRest(
  { request, response, target }: Exchange,
  path: string,
  options: GatewayOptions,
  proxy: Proxy,
): void {
  if (answerPreflight(request, response)) return;
  const cors = corsHeaders(request);
  const allowed = authorizeRest(request.headers, target.apikey);
  if ("status" in allowed) {
    return answerJson(response, allowed.status, allowed.body, cors);
  }
  const upstream = options.rest();
  if (!upstream) {
    return answerJson(response, 503, {
      message: "The database is being started or reset",
    }, cors);
  }
  proxy.forward(request, response, {
    upstream,
    path: path + target.query,
    headers: { ...forwardedHeaders(request), ...allowed },
    extraReplyHeaders: cors,
  });
}

async function toFunction(
  { request, response, target }: Exchange,
  path: string,
  options: GatewayOptions,
  proxy: Proxy,
): Promise<void> {
  const name = path.split("/")[1] ?? "";
  const functions = options.functions();
  if (!functions) {
    return answerJson(response, 503, {
      code: "STARTING",
      message: "The stack is starting",
    });
  }
  const config = functions.find(name);
  if (!config) {
    return answerJson(response, 404, {
      code: "NOT_FOUND",
      message: "Requested function was not found",
    });
  }
  // A browser sends its preflight without credentials.
  const refusal = config.verifyJwt && request.method !== "OPTIONS"
    ? refuseWithoutJwt(request.headers)
    : undefined;
  if (refusal) return answerJson(response, refusal.status, refusal.body);
  try {
    proxy.forward(request, response, {
      upstream: { host: "127.0.0.1", port: await functions.port(name) },
      path: path + target.query,
      headers: forwardedHeaders(request),
    });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    answerJson(response, 503, {
      code: "BOOT_ERROR",
      message: `Function failed to start: ${reason}`,
    }, { "sb-error-code": "BOOT_ERROR" });
  }
}

function forwardedHeaders(request: IncomingMessage): IncomingHttpHeaders {
  return {
    ...request.headers,
    "x-forwarded-for": request.socket.remoteAddress ?? "127.0.0.1",
    "x-forwarded-host": request.headers.host ?? "",
    "x-forwarded-proto": "http",
  };
}

function logWhenDone(
  { method }: IncomingMessage,
  response: ServerResponse,
  { path, query }: RequestTarget,
  log: LogLine,
): void {
  const start = performance.now();
  response.once("close", () => {
    const ms = Math.round(performance.now() - start);
    const status = response.writableFinished
      ? response.statusCode
      : "(caller hung up)";
    // The token of a signed URL is as good as a key.
    const shown = query.replace(/\btoken=[^&]*/g, "token=...");
    log(`${method} ${path}${shown} ${status} ${ms} ms`);
  });
}
