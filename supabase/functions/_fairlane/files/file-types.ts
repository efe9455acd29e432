/**
 * What results and their thumbnails may be, by extension: images and videos.
 * No SVG and no HTML: the bucket is public, and both can carry scripts.
 */
const TYPE_OF_EXTENSION: Readonly<Record<string, string>> = {
  png: "image/png",
  jpg: "image/jpeg",
  jpeg: "image/jpeg",
  webp: "image/webp",
  gif: "image/gif",
  avif: "image/avif",
  bmp: "image/bmp",
  tif: "image/tiff",
  tiff: "image/tiff",
  mp4: "video/mp4",
  webm: "video/webm",
  mov: "video/quicktime",
  avi: "video/x-msvideo",
  mkv: "video/x-matroska",
  m4v: "video/x-m4v",
  mpg: "video/mpeg",
  mpeg: "video/mpeg",
};

/** Other names of clients for the same types. */
const EXTENSION_OF_ALIAS: Readonly<Record<string, string>> = {
  "image/jpg": "jpg",
  "video/vnd.avi": "avi",
  "video/matroska": "mkv",
};

/** The type that clients send when they do not know it. */
const ANY_TYPE = "application/octet-stream";

/** The accepted extensions, for a message. */
export const EXTENSIONS = Object.keys(TYPE_OF_EXTENSION).join(", ");

/** The content type of files with this extension; undefined = not accepted. */
export function typeOfExtension(extension: string): string | undefined {
  return Object.hasOwn(TYPE_OF_EXTENSION, extension)
    ? TYPE_OF_EXTENSION[extension]
    : undefined;
}

/** A content type in its plain spelling, without parameters. */
function plainType(contentType: string): string {
  return (contentType.split(";")[0] ?? "").trim().toLowerCase();
}

/** The extension that files of this type get when their name has none. */
export function extensionOfType(contentType: string): string | undefined {
  const type = plainType(contentType);
  if (Object.hasOwn(EXTENSION_OF_ALIAS, type)) return EXTENSION_OF_ALIAS[type];
  return Object.keys(TYPE_OF_EXTENSION)
    .find((extension) => TYPE_OF_EXTENSION[extension] === type);
}

/** Whether the bucket takes files that are sent with this content type. */
export function isAcceptedType(contentType: string): boolean {
  return plainType(contentType) === ANY_TYPE ||
    extensionOfType(contentType) !== undefined;
}
