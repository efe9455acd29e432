import { describe, expect, it } from "vitest";
import { postgresServer } from "../../stack/postgres-server.ts";
import { otherCorners } from "./other-corners.ts";

const both = [postgresServer(15), postgresServer(17)];

describe("otherCorners()", () => {
  it.each(
    [
      ["both, and the stack runs on 15", both, 15, [
        "15 strict",
        "17 generous",
      ]],
      ["both, and 17 was forced", both, 17, ["15 generous", "15 strict"]],
      ["only npm's 17", [postgresServer(17)], 17, []],
    ] as const,
  )("with %s", (_where, servers, own, expected) => {
    const corners = otherCorners(servers, postgresServer(own));
    expect(corners.map(({ server, grants }) => `${server.major} ${grants}`))
      .toEqual(expected);
  });
});
