import type { CompleteRequest } from "../../../shared/complete.ts";
import { ApiError } from "../_shared/api-error.ts";
import type { Caller } from "../_shared/caller.ts";
import { publicUrl } from "./public-url.ts";

/** Where the result of a task is, as the database stores it. */
export interface Output {
  readonly location: string | undefined;
  readonly thumbnailUrl: string | undefined;
}

/** Reads the output out of whichever of the body's forms was sent. */
export function readOutput(
  body: CompleteRequest,
  caller: Caller,
  supabaseUrl: string,
): Output {
  if (body.file_data !== undefined && body.file_data !== null) {
    throw notSupported("A file in the body is not accepted yet");
  }
  const paths = [body.storage_path, body.thumbnail_storage_path];
  const namesPath = paths.some((path) => path !== undefined);
  // Which folders of the bucket belong to a user is not settled yet; until it
  // is, only callers who may read every user's files can refer to one.
  if (namesPath && caller.kind !== "service") {
    throw notSupported("A storage path is accepted from a service key only");
  }
  const [location, thumbnailUrl] = paths.map((path) =>
    path === undefined ? undefined : publicUrl(supabaseUrl, path)
  );
  return {
    location: location ?? body.output_location,
    thumbnailUrl: thumbnailUrl ?? body.thumbnail_url,
  };
}

function notSupported(message: string): ApiError {
  return new ApiError("NOT_SUPPORTED", message, {
    hint: "Upload the file and send its URL in output_location",
  });
}
