import { describe, expect, test } from "vitest";
import { aBoard } from "../screen/_test/board.ts";
import { span } from "../screen/line.ts";
import { render } from "../screen/render.ts";
import { chooseFrames, type Frame } from "./frames.ts";
import { animatedSvg } from "./svg.ts";

const SIZE = { columns: 80, rows: 24 };

function frame(text: string, isRescue = false): Frame {
  return { lines: [[span(text)]], isRescue };
}

describe("chooseFrames()", () => {
  test("takes frames from the whole run, the first with the rescue among them", () => {
    const frames = Array.from(
      { length: 200 },
      (_, n) => frame(String(n), n > 73),
    );
    const chosen = chooseFrames(frames);
    expect(chosen.length).toBeLessThan(13);
    expect(chosen).toContain(frames[74]);
    expect(chosen.at(-1)).toBe(frames[199]);
    expect(chosen.map((one) => frames.indexOf(one)))
      .toEqual(
        chosen.map((one) => frames.indexOf(one)).toSorted((a, b) => a - b),
      );
  });

  test("takes what there is of a short run", () => {
    const frames = [frame("a"), frame("b")];
    expect(chooseFrames(frames)).toEqual(frames);
    expect(chooseFrames([])).toEqual([]);
  });
});

describe("animatedSvg()", () => {
  test("stores a row once, however often it comes", () => {
    const svg = animatedSvg([frame("again"), frame("again")], SIZE);
    expect(svg.match(/again/g)).toHaveLength(1);
    expect(svg.match(/<use href="#r0" y="0"\/>/g)).toHaveLength(2);
  });

  test("shows the frame with the rescue where nothing may move", () => {
    const svg = animatedSvg([frame("a"), frame("b", true), frame("c")], SIZE);
    expect(svg.match(/class="f still" style="animation-name:f1"/g))
      .toHaveLength(1);
    expect(svg.match(/ still"/g)).toHaveLength(1);
  });

  test("is well formed whatever is on the screen, and asks for nothing", () => {
    const svg = animatedSvg([frame("<script> & co")], SIZE);
    expect(svg).toContain("&lt;script> &amp; co");
    expect(svg.replace("http://www.w3.org/2000/svg", "")).not.toMatch(
      /https?:|url\(|@import/,
    );
  });

  test("gives every piece its place, in any font", () => {
    const svg = animatedSvg(
      [{ lines: render(aBoard(), SIZE), isRescue: false }],
      SIZE,
    );
    expect(svg).toContain('<tspan x="0" textLength="120" class="title">Task');
    // Dana, Robin, Dana: letters that stand alone share a piece per user.
    expect(svg).toContain('<tspan x="48 64" class="user0">DD</tspan>');
    expect(svg).toContain('<tspan x="56" class="user1">R</tspan>');
  });
});
