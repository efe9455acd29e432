import {
  type IncomingMessage,
  request as sendRequest,
  type ServerResponse,
} from "node:http";
import { stack } from "./stack.ts";

/** What happens to one request on its way to the stack. */
export type Fault =
  | "none"
  /** It never arrives. */
  | "unreachable"
  /** It is answered with 503. */
  | "down"
  /** It is carried out, and nobody hears of it. */
  | "reply lost"
  /** It is carried out, and the gateway answers 503. */
  | "given up";

/** Passes one request on to the stack, or not, as the fault says. */
export function relay(
  request: IncomingMessage,
  response: ServerResponse,
  fault: Fault,
): void {
  if (fault === "unreachable") return void request.socket.destroy();
  if (fault === "down") {
    response.writeHead(503, { "content-type": "text/html" });
    return void response.end("<html>Service Unavailable</html>");
  }
  const { hostname, port } = new URL(stack().apiUrl);
  const outgoing = sendRequest({
    hostname,
    port,
    method: request.method,
    path: request.url,
    headers: request.headers,
  }, (reply) => {
    if (fault === "reply lost") {
      reply.resume();
      return void reply.once("end", () => request.socket.destroy());
    }
    if (fault === "given up") {
      reply.resume();
      return void reply.once("end", () => response.writeHead(503).end());
    }
    response.writeHead(reply.statusCode ?? 502, reply.headers);
    reply.pipe(response);
  });
  outgoing.once("error", () => response.destroy());
  request.pipe(outgoing);
}
