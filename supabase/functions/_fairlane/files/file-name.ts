import { hex, sha256 } from "../callers/constant-time.ts";
import { ApiError } from "../frame/api-error.ts";
import {
  extensionOfType,
  EXTENSIONS,
  isAcceptedType,
  typeOfExtension,
} from "./file-types.ts";

/** A name that is safe in a path and a URL, and the type it stands for. */
export interface SafeFile {
  readonly name: string;
  /** The name without its extension. */
  readonly stem: string;
  readonly contentType: string;
}

const MAX_STEM_LENGTH = 100;

/**
 * Makes a client's file name safe: its last part, in `[A-Za-z0-9._-]`, with an
 * accepted extension. Names that differ stay different: a name that had to be
 * changed gets a digest of what it was.
 */
export function safeFile(
  field: string,
  filename: string,
  contentType?: string,
): SafeFile {
  const refuse = (rule: string) =>
    new ApiError("INVALID_BODY", `Body field "${field}" ${rule}`);
  if (contentType !== undefined && !isAcceptedType(contentType)) {
    throw new ApiError(
      "INVALID_BODY",
      'Body field "content_type" must be that of an image or a video',
    );
  }
  const given = filename.normalize("NFC");
  const base = given.split(/[/\\]/).pop() ?? "";
  const [, beforeDot, afterDot] = /^(.*)\.([A-Za-z0-9]{1,8})$/su.exec(base) ??
    [];
  const ownExtension = afterDot?.toLowerCase();
  const ownType = ownExtension && typeOfExtension(ownExtension);
  const extension = ownType
    ? ownExtension
    : contentType && extensionOfType(contentType);
  if (!extension) {
    throw refuse(`must end in one of these extensions: ${EXTENSIONS}`);
  }

  const givenStem = ownType ? beforeDot ?? "" : base;
  const plainStem = givenStem
    .replace(/[^A-Za-z0-9._-]+/gu, "_")
    .replace(/^[._-]+/, "")
    .slice(0, MAX_STEM_LENGTH);
  const stem = plainStem !== "" && `${plainStem}.${extension}` === given
    ? plainStem
    : `${plainStem || "file"}-${hex(sha256(given)).slice(0, 8)}`;
  return {
    name: `${stem}.${extension}`,
    stem,
    contentType: typeOfExtension(extension) ?? "application/octet-stream",
  };
}
