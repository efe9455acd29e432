import type { Board, UserRow } from "../board.ts";
import { cell, type Line, span, type Style } from "../line.ts";
import { rowsOf } from "./rows.ts";

const STYLES = ["user0", "user1", "user2", "user3", "user4", "user5"] as const;

/** The colour that a user has everywhere. */
export function userStyle(users: readonly UserRow[], name: string): Style {
  const index = users.findIndex((user) => user.name === name);
  return STYLES[index % STYLES.length] ?? "plain";
}

/** Users with their slots: a square each, full when a task runs in it. */
export function userLines(
  { users }: Board,
  height: number,
  columns: number,
): Line[] {
  // Narrow terminals keep the slots and lose the name.
  const nameWidth = columns < 60 ? 8 : 14;
  const slotWidth = Math.max(8, ...users.map(({ limit }) => limit + 6));
  const heading = [
    span(cell("USERS", nameWidth + 1), "title"),
    span(cell("slots", slotWidth) + "   ready   complete", "faint"),
  ];
  return rowsOf(heading, users, height, (user) => {
    const { name, running, limit, ready, complete } = user;
    const full = Math.min(running, limit);
    const slots = `${"■".repeat(full)}${"□".repeat(limit - full)}`;
    const isFull = running >= limit;
    return [
      span(cell(name, nameWidth), userStyle(users, name)),
      span(" "),
      span(
        cell(`${slots} ${running}/${limit}`, slotWidth),
        isFull ? "active" : "plain",
      ),
      span(`${String(ready).padStart(8)}${String(complete).padStart(11)}`),
      span(isFull && ready > 0 ? "   waits for a slot" : "", "faint"),
    ];
  });
}
