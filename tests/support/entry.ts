import process from "node:process";

/**
 * Which way in the end-to-end tests take: the deployed functions, or with
 * `ENTRY=router` the routes of the function `fairlane`.
 */
export const isRouter = process.env["ENTRY"] === "router";

/** Names that deployed clients use; the router has each endpoint once. */
const ALIASES: Readonly<Record<string, string>> = {
  "complete_task": "complete-task",
};

/** The path of an endpoint below `/functions/v1`. */
export function pathOf(name: string): string {
  return isRouter ? `/fairlane/${ALIASES[name] ?? name}` : `/${name}`;
}

/** The function that serves an endpoint. */
export function functionOf(name: string): string {
  return isRouter ? "fairlane" : name;
}
