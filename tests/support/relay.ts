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
  /** Told what it was that nobody heard of. */
  onLost: (reply: string) => void = () => {},
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
    if (fault === "reply lost" || fault === "given up") {
      const chunks: Buffer[] = [];
      reply.on("data", (chunk: Buffer) => chunks.push(chunk));
      return void reply.once("end", () => {
        onLost(Buffer.concat(chunks).toString("utf8"));
        if (fault === "reply lost") request.socket.destroy();
        else response.writeHead(503).end();
      });
    }
    response.writeHead(reply.statusCode ?? 502, reply.headers);
    reply.pipe(response);
  });
  outgoing.once("error", () => response.destroy());
  request.pipe(outgoing);
}
