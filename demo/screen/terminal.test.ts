import { describe, expect, test } from "vitest";
import { aBoard } from "./_test/board.ts";
import { span } from "./line.ts";
import { terminalScreen } from "./terminal.ts";

/** A terminal that keeps what is written to it. */
function aTerminal() {
  const writes: string[] = [];
  const write = (text: string) => writes.push(text);
  return { terminal: { write, columns: 80, rows: 24 }, writes };
}

const ESC = "\x1b[";

describe("terminalScreen()", () => {
  test("writes again only the lines that have changed", () => {
    const { terminal, writes } = aTerminal();
    const screen = terminalScreen(terminal, true);
    screen.draw(aBoard());
    screen.draw(aBoard());
    expect(writes).toHaveLength(1);
    screen.draw(aBoard({ turns: ["Robin"] }));
    expect(writes).toHaveLength(2);
    // Robin in his colour, on the line of the turns, and nothing else.
    expect(writes[1]).toBe(
      `${ESC}5;1H${ESC}2mturns ${ESC}0m${ESC}35mR${ESC}0m${ESC}K`,
    );
  });

  test("draws all of it anew when the terminal has another size", () => {
    const { terminal, writes } = aTerminal();
    const screen = terminalScreen(terminal, false);
    screen.draw(aBoard());
    terminal.columns = 60;
    screen.draw(aBoard());
    expect(writes[1]).toContain(`${ESC}2J${ESC}1;1HTask queue demo`);
  });

  test("clears the lines that a shorter board leaves over", () => {
    const { terminal, writes } = aTerminal();
    const screen = terminalScreen(terminal, false);
    screen.draw(aBoard());
    screen.draw(aBoard({ events: [] }));
    expect(writes[1]).toBe(`${ESC}13;1H${ESC}K${ESC}14;1H${ESC}K`);
  });

  test("has no colour when it may have none", () => {
    const { terminal, writes } = aTerminal();
    const screen = terminalScreen(terminal, false);
    screen.draw(aBoard());
    screen.close([[span("Both agree", "good")]]);
    const codes = writes.join("").split(ESC).slice(1);
    expect(codes.filter((code) => /^[0-9;]*m/.test(code))).toEqual([]);
  });

  test("gives the terminal back, with the last board and the summary", () => {
    const { terminal, writes } = aTerminal();
    const screen = terminalScreen(terminal, false);
    screen.draw(aBoard());
    screen.close([[span("Both agree")]]);
    const all = writes.join("");
    const [, left] = all.split(`${ESC}?25h${ESC}?1049l`);
    expect(all.startsWith(`${ESC}?1049h${ESC}?25l`)).toBe(true);
    expect(left).toMatch(
      /^Task queue demo.*\n[^]*EVENTS\n[^]*\n\nBoth agree\n$/,
    );
  });
});
