/** The id of the task in this place of the world. */
export const taskId = (index: number): string => id(1, index);

/** The id of a task that is in no world. */
export const MISSING_TASK = taskId(0xffff);

/** The id of the user in this place of the world, and of project and token. */
export const userId = (index: number): string => id(2, index);

/** The hash of the token of the user in this place. */
export const tokenHash = (index: number): string =>
  index.toString(16).padStart(64, "0");

function id(kind: number, index: number): string {
  const hex = (value: number, digits: number) =>
    value.toString(16).padStart(digits, "0");
  return `${hex(kind, 8)}-0000-4000-8000-${hex(index, 12)}`;
}

/** The place of the task with this id; undefined = it is none. */
export function placeOf(id: unknown): number | undefined {
  const hex = /^00000001-0000-4000-8000-([0-9a-f]{12})$/.exec(String(id))?.[1];
  return hex === undefined ? undefined : Number.parseInt(hex, 16);
}
