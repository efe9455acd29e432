import {
  Agent,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  request as sendRequest,
  type ServerResponse,
} from "node:http";

/** Where a request goes: a unix socket or a port of this machine. */
export type Upstream = { socketPath: string } | {
  host: "127.0.0.1";
  port: number;
};

/** What is changed on the way. */
export interface Forward {
  upstream: Upstream;
  path: string;
  headers: IncomingHttpHeaders;
  extraReplyHeaders?: Record<string, string>;
}

// Headers that describe one connection, not the message.
const hopByHop = [
  "expect",
  "connection",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "upgrade",
];

/** Passes requests on over kept-open connections. */
export class Proxy {
  // Idle connections are dropped well before the upstream would, else a request
  // could be written to one that is just being closed.
  #agent = new Agent({ keepAlive: true, maxSockets: 256, timeout: 10_000 });

  /** Sends the request on and streams the reply back. */
  forward(
    request: IncomingMessage,
    response: ServerResponse,
    { upstream, path, headers, extraReplyHeaders }: Forward,
  ): void {
    const outgoing = sendRequest({
      ...upstream,
      path,
      method: request.method ?? "GET",
      headers: without(headers, hopByHop),
      agent: this.#agent,
    });
    outgoing.once("response", (reply) => {
      response.writeHead(reply.statusCode ?? 502, {
        ...without(reply.headers, [...hopByHop, "transfer-encoding"]),
        ...extraReplyHeaders,
      });
      reply.pipe(response);
    });
    outgoing.once("error", () => {
      if (response.headersSent) response.destroy();
      else answerJson(response, 502, unreachable, extraReplyHeaders);
    });
    // A caller that hangs up must not keep a connection busy.
    response.once("close", () => outgoing.destroy());
    request.pipe(outgoing);
  }

  close(): void {
    this.#agent.destroy();
  }
}

const unreachable = {
  message: "An invalid response was received from the upstream server",
};

/** Answers with a JSON body of the gateway's own. */
export function answerJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: OutgoingHttpHeaders = {},
): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    "content-type": "application/json; charset=utf-8",
    "content-length": Buffer.byteLength(text),
    ...headers,
  });
  response.end(text);
}

function without(
  headers: IncomingHttpHeaders,
  names: string[],
): OutgoingHttpHeaders {
  const kept: OutgoingHttpHeaders = { ...headers };
  for (const name of names) delete kept[name];
  return kept;
}
