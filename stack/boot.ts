// Runs one function's entry file, unmodified, under Deno. Started by
// function-process.ts with the file's URL as its only argument.
//
// Both shapes that the hosted runtime takes work here: `Deno.serve(handler)` and
// `export default { fetch }`. Deno's own command line serves only one at a time.

type Handler = (
  request: Request,
  info?: Deno.ServeHandlerInfo,
) => Response | Promise<Response>;

interface Entry {
  default?: { fetch?: Handler };
}

const shutdownPatienceMs = 3000;
const serveForReal = Deno.serve.bind(Deno);
const background = new Set<Promise<unknown>>();
let server: Deno.HttpServer | undefined;

function listen(handler: Handler): Deno.HttpServer {
  if (server) throw new Error("Deno.serve was called twice");
  server = serveForReal({
    hostname: "127.0.0.1",
    // The kernel picks the port, so two stacks can never pick the same one.
    port: 0,
    onListen: ({ port }) => announce(port),
  }, async (request, info) => {
    const reply = await handler(request, info);
    await discardRest(request);
    return reply;
  });
  return server;
}

/**
 * Reads what a function left unread, as when it refuses a body for its length:
 * Deno 2.1 resets such a connection, and the caller would not see the reply.
 */
async function discardRest({ body, bodyUsed }: Request): Promise<void> {
  if (bodyUsed || !body || body.locked) return;
  await body.pipeTo(new WritableStream()).catch(() => {});
}

/** Tells the parent where we listen, on a line no function would print. */
function announce(port: number): void {
  const line = new TextEncoder().encode(`\0listening ${port}\n`);
  Deno.stdout.writeSync(line);
}

/** Finds the handler in any of the argument lists that Deno.serve takes. */
function handlerOf(args: unknown[]): Handler {
  for (const argument of args) {
    if (typeof argument === "function") return argument as Handler;
    const { handler } = argument as { handler?: Handler };
    if (handler) return handler;
  }
  throw new Error("Deno.serve was called without a handler");
}

async function shutdown(): Promise<void> {
  globalThis.dispatchEvent(new Event("beforeunload"));
  const finished = Promise.allSettled([server?.shutdown(), ...background]);
  const patience = new Promise((done) => setTimeout(done, shutdownPatienceMs));
  await Promise.race([finished, patience]);
  Deno.exit(0);
}

/** The parent holds our stdin open: its end means that the parent is gone. */
async function exitWithParent(): Promise<void> {
  const buffer = new Uint8Array(64);
  while (await Deno.stdin.read(buffer).catch(() => null) !== null);
  await shutdown();
}

Object.assign(Deno, {
  serve: (...args: unknown[]) => listen(handlerOf(args)),
});
Object.assign(globalThis, {
  EdgeRuntime: {
    waitUntil(promise: Promise<unknown>): void {
      const settled = Promise.resolve(promise)
        .catch((error) => console.error("waitUntil:", error))
        .finally(() => background.delete(settled));
      background.add(settled);
    },
  },
});
Deno.addSignalListener("SIGTERM", () => void shutdown());
void exitWithParent();

const [entryUrl] = Deno.args;
if (!entryUrl) throw new Error("No entry file was given");
const entry: Entry = await import(entryUrl);
if (!server) {
  const fetch = entry.default?.fetch;
  if (typeof fetch !== "function") {
    throw new Error(
      "The entry file neither calls Deno.serve nor exports default { fetch }",
    );
  }
  listen((request) => fetch(request));
}
