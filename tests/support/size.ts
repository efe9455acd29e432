import process from "node:process";

/**
 * How much of something: in `npm test` enough to show of what kind it is, in
 * `npm run test:all` (`SIZES=full`) as much as is promised.
 */
export function size(everyday: number, full: number): number {
  return process.env["SIZES"] === "full" ? full : everyday;
}
