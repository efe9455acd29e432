/** What happens to one request on its way. */
export type Fault = keyof typeof strikes;

type Send = () => Promise<Response>;

const strikes = {
  /** Nobody listens. */
  refused: () => Promise.reject(new TypeError("connection refused")),
  /** It is on its way until the sender's patience ends. */
  "timed out": () => Promise.reject(timeout()),
  /** It is carried out, and the sender's patience ends before the reply. */
  "reply lost": async (send: Send) => {
    await drain(send);
    throw timeout();
  },
  /** Something in between answers in its place. */
  down: () =>
    Promise.resolve(
      new Response("<html>Service Unavailable</html>", { status: 503 }),
    ),
  /** It is carried out, and the connection closes half-way through the reply. */
  "cut off": async (send: Send) => halfOf(await send()),
  /** The sender's own HTTP client, or a gateway, sends it once more. */
  "carried out twice": async (send: Send) => {
    await drain(send);
    return await send();
  },
} satisfies Record<string, (send: Send) => Promise<Response>>;

/** All of them. */
export const FAULTS = Object.keys(strikes) as readonly Fault[];

/** Faults after which the request has done what it was to do. */
export const CARRIED_OUT: readonly Fault[] = [
  "reply lost",
  "cut off",
  "carried out twice",
];

/** Sends a request that meets with this fault. */
export function strike(fault: Fault, send: Send): Promise<Response> {
  return strikes[fault](send);
}

function timeout(): Error {
  return new DOMException("The signal has been aborted", "TimeoutError");
}

async function drain(send: Send): Promise<void> {
  await (await send()).arrayBuffer();
}

async function halfOf(reply: Response): Promise<Response> {
  const bytes = new Uint8Array(await reply.arrayBuffer());
  if (bytes.length === 0) throw new TypeError("connection closed");
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (controller.desiredSize === 0) return;
      controller.enqueue(bytes.slice(0, bytes.length / 2));
      controller.error(new TypeError("connection closed"));
    },
  });
  return new Response(body, { status: reply.status, headers: reply.headers });
}
