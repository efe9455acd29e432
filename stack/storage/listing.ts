import type { StoredObject } from "./object-row.ts";

/** What a caller asks to see of a folder. */
export interface ListRequest {
  readonly prefix?: string;
  readonly limit?: number;
  readonly offset?: number;
  readonly search?: string;
  readonly sortBy?: { readonly column?: string; readonly order?: string };
}

/** The folder that a list is of, as the beginning of its objects' names. */
export function folderOf(request: ListRequest): string {
  const prefix = (request.prefix ?? "").replace(/^\/+|\/+$/g, "");
  return prefix === "" ? "" : `${prefix}/`;
}

/** One level of a folder: its objects, and its folders as rows without an id. */
export function listFolder(
  objects: readonly StoredObject[],
  request: ListRequest,
): Record<string, unknown>[] {
  const folder = folderOf(request);
  const entries = new Map<string, Record<string, unknown>>();
  for (const { version: _version, ...object } of objects) {
    const [name = "", ...deeper] = object.name.slice(folder.length).split("/");
    if (request.search && !name.startsWith(request.search)) continue;
    entries.set(
      name,
      deeper.length > 0 ? { name, id: null, metadata: null } : {
        ...object,
        name,
      },
    );
  }
  const offset = request.offset ?? 0;
  const rows = sorted([...entries.values()], request.sortBy);
  return rows.slice(offset, offset + (request.limit ?? 100));
}

/** By the column asked for, then by name; folders, which have none, come first. */
function sorted(
  rows: readonly Record<string, unknown>[],
  { column = "name", order = "asc" }: ListRequest["sortBy"] = {},
): Record<string, unknown>[] {
  const direction = order.toLowerCase() === "desc" ? -1 : 1;
  const key = (row: Record<string, unknown>) => {
    const value = row[column];
    return value instanceof Date ? value.getTime() : String(value ?? "");
  };
  return rows.toSorted((a, b) => {
    const [first, second] = [key(a), key(b)];
    return first === second ? 0 : direction * (first < second ? -1 : 1);
  });
}
