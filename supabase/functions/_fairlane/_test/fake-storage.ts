import { SignJWT } from "jose";
import { UploadTarget } from "../../../../shared/upload-url.ts";
import type { RpcArguments } from "../database/rpc.ts";
import { createFiles } from "../files/files.ts";
import { createFilePaths } from "../files/storage-path.ts";
import type { EndpointDeps } from "../frame/endpoint.ts";
import {
  createWorld,
  type FakeWorld,
  KEYS,
  SUPABASE_URL,
  TASK_ID,
  USER_ID,
} from "./fakes.ts";

/** A request as it reached the storage. */
export interface StorageRequest {
  readonly method: string;
  /** Below `/storage/v1/`, with its query. */
  readonly path: string;
  readonly headers: Headers;
  readonly body: string;
}

/** What a test makes the storage answer; undefined = as if all were well. */
export type StorageAnswer = (
  request: StorageRequest,
) => Response | Error | undefined;

/** A world in which the functions can also store files. */
export interface FileWorld extends FakeWorld {
  readonly storage: StorageRequest[];
  /** The requests to the storage, each as one line. */
  storageLines(): string[];
}

/** What a test decides about a `FileWorld`. */
export interface FileWorldOptions {
  /** Replies of the database by function; an error is thrown. */
  readonly rpc?: Readonly<
    Record<string, (args: RpcArguments) => string | Error>
  >;
  readonly storage?: StorageAnswer;
  readonly publicUrl?: string;
}

/** The folder of the task in every test. */
export const FOLDER = `${USER_ID}/tasks/${TASK_ID}`;

/** The path that the task's files get, by their safe names. */
export function pathOf(name: string, attempt = 1): string {
  return createFilePaths(KEYS.secret).file(targetOf(attempt), name);
}

/** The same for thumbnails. */
export function thumbnailOf(name: string, attempt = 1): string {
  return createFilePaths(KEYS.secret).thumbnail(targetOf(attempt), name);
}

function targetOf(attempt: number) {
  return UploadTarget.parse(JSON.parse(target("In Progress", true, attempt)));
}

/** What the database says of the task's folder. */
export function target(
  status = "In Progress",
  is_open = true,
  attempt = 1,
): string {
  return JSON.stringify({
    task_id: TASK_ID,
    user_id: USER_ID,
    status,
    attempt,
    is_open,
  });
}

/** A refusal as Storage sends it: HTTP 400, the status in the body. */
export function storageRefusal(status: number, code: string): Response {
  return Response.json(
    { statusCode: String(status), code, error: code, message: "canary" },
    { status: status >= 500 ? status : 400 },
  );
}

/** A world whose storage is spoken to over (fake) HTTP by the real client. */
export function createFileWorld(options: FileWorldOptions = {}): FileWorld {
  const requests: StorageRequest[] = [];
  const world = createWorld("{}");
  const storageFetch: typeof fetch = async (input, init) => {
    const request = await read(new Request(input, init));
    requests.push(request);
    const answer = options.storage?.(request) ?? await allIsWell(request);
    if (answer instanceof Error) throw answer;
    return answer;
  };
  const files = createFiles({
    supabaseUrl: SUPABASE_URL,
    publicUrl: options.publicUrl ?? SUPABASE_URL,
    databaseKey: KEYS.secret,
    fetch: storageFetch,
  });
  const deps: EndpointDeps = {
    ...world.deps,
    files,
    rpc: (name, args, requestId) => {
      world.rpcCalls.push({ name, args, requestId });
      const own = options.rpc?.[name];
      const reply = own ? own(args) : usualReply(name, args);
      return reply instanceof Error
        ? Promise.reject(reply)
        : Promise.resolve(reply);
    },
  };
  return {
    ...world,
    deps,
    storage: requests,
    storageLines: () => requests.map(({ method, path }) => `${method} ${path}`),
  };
}

/** The database's reply when the first completion of the task counts. */
export function completed(args: RpcArguments): string {
  return JSON.stringify({
    task_id: TASK_ID,
    status: "Complete",
    output_location: args["p_output_location"] ?? null,
    public_url: args["p_output_location"] ?? null,
    thumbnail_url: args["p_thumbnail_url"] ?? null,
  });
}

function usualReply(name: string, args: RpcArguments): string {
  return name === "upload_target" ? target() : completed(args);
}

async function read(request: Request): Promise<StorageRequest> {
  const { pathname, search } = new URL(request.url);
  return {
    method: request.method,
    path: pathname.replace("/storage/v1/", "") + search,
    headers: request.headers,
    body: await request.text(),
  };
}

async function allIsWell({ method, path }: StorageRequest): Promise<Response> {
  if (path.startsWith("object/upload/sign/")) {
    const token = await new SignJWT({ exp: 1_800_000_000 })
      .setProtectedHeader({ alg: "HS256" })
      .sign(new TextEncoder().encode(KEYS.jwtSecret));
    return Response.json({ url: `/${path}?token=${token}`, token });
  }
  if (method === "DELETE") return Response.json([]);
  if (path.startsWith("object/info/")) return Response.json({ id: "1" });
  return Response.json({ Id: "1", Key: path });
}
