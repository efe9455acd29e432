import { type Line, type Style, textOf } from "../screen/line.ts";
import type { Size } from "../screen/render.ts";
import type { Frame } from "./frames.ts";

const CELL = { width: 8, height: 17 };
const MARGIN = 14;
const SECONDS_PER_FRAME = 1.6;
const SECONDS_OF_THE_LAST = 6;

// A dark terminal of its own, so that the page behind may be light or dark.
const BACKGROUND = "#14181f";
const COLOURS: Readonly<Record<Style, string>> = {
  plain: "#d5dae2",
  faint: "#8b95a5",
  title: "#ffffff",
  good: "#5fd38d",
  bad: "#ff7b72",
  warning: "#e3b341",
  active: "#5ccfe6",
  user0: "#79b8ff",
  user1: "#e29df0",
  user2: "#f0c674",
  user3: "#7ee0a8",
  user4: "#6fd7d7",
  user5: "#ff9e8a",
};

/**
 * The frames one after the other, for ever; where nothing may move, or CSS is
 * not known, the one with the rescue. Rows that come again are stored once.
 */
export function animatedSvg(frames: readonly Frame[], size: Size): string {
  const rows = new Map<string, string>();
  const still = Math.max(frames.findIndex(({ isRescue }) => isRescue), 0);
  const groups = frames.map(({ lines }, index) =>
    `<g class="f${
      index === still ? " still" : ""
    }" style="animation-name:f${index}">${
      lines.map((line, row) => place(line, row, rows)).join("")
    }</g>`
  );
  const width = size.columns * CELL.width + 2 * MARGIN;
  const height = size.rows * CELL.height + 2 * MARGIN;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="A run of the demo in a terminal">`,
    `<style>${stylesheet(frames.length)}</style>`,
    `<defs>${
      [...rows].map(([text, id]) => `<text id="${id}">${text}</text>`).join(
        "\n",
      )
    }</defs>`,
    `<rect width="${width}" height="${height}" rx="8" fill="${BACKGROUND}" stroke="#3a4250"/>`,
    `<g transform="translate(${MARGIN} ${MARGIN + CELL.height - 5})">`,
    ...groups,
    "</g></svg>",
    "",
  ].join("\n");
}

function place(line: Line, row: number, rows: Map<string, string>): string {
  if (textOf(line) === "") return "";
  const text = rowText(line);
  const id = rows.get(text) ?? `r${rows.size}`;
  rows.set(text, id);
  return `<use href="#${id}" y="${row * CELL.height}"/>`;
}

/** Each piece has its place and its length, whatever font there is. */
function rowText(line: Line): string {
  const pieces: string[] = [];
  // Letters that stand alone, as the turns do, share a piece per style.
  const letters = new Map<Style, { places: number[]; text: string }>();
  let column = 0;
  for (const { text, style } of merged(line)) {
    const words = text.trim();
    const lead = text.length - text.trimStart().length;
    const x = (column + lead) * CELL.width;
    column += [...text].length;
    const length = [...words].length;
    if (length === 1) {
      const alone = letters.get(style) ?? { places: [], text: "" };
      alone.places.push(x);
      letters.set(style, { ...alone, text: alone.text + words });
    } else if (length > 1) {
      const width = `textLength="${length * CELL.width}"`;
      pieces.push(`<tspan x="${x}" ${width}${look(style)}>${escape(words)}`);
    }
  }
  for (const [style, { places, text }] of letters) {
    const x = places.join(" ");
    pieces.push(`<tspan x="${x}"${look(style)}>${escape(text)}`);
  }
  return pieces.map((piece) => `${piece}</tspan>`).join("");
}

function look(style: Style): string {
  return style === "plain" ? "" : ` class="${style}"`;
}

/** Neighbours of one style as one piece: the bar and the turns get shorter. */
function merged(line: Line): { text: string; style: Style }[] {
  const pieces: { text: string; style: Style }[] = [];
  for (const { text, style } of line) {
    const last = pieces.at(-1);
    if (last?.style === style) last.text += text;
    else pieces.push({ text, style });
  }
  return pieces;
}

function stylesheet(count: number): string {
  const seconds = (count - 1) * SECONDS_PER_FRAME + SECONDS_OF_THE_LAST;
  const percent = (time: number) => (time / seconds * 100).toFixed(2);
  const keyframes = Array.from({ length: count }, (_, index) => {
    const from = percent(index * SECONDS_PER_FRAME);
    const isLast = index === count - 1;
    const to = isLast ? "100" : percent((index + 1) * SECONDS_PER_FRAME);
    const before = index === 0 ? "" : "0%{opacity:0}";
    const after = isLast ? "" : `${to}%{opacity:0}`;
    return `@keyframes f${index}{${before}${from}%{opacity:1}${after}}`;
  });
  const colours = Object.entries(COLOURS)
    .map(([style, colour]) => `.${style}{fill:${colour}}`);
  return [
    `text{font:13px ui-monospace,"DejaVu Sans Mono",Menlo,Consolas,monospace;white-space:pre;fill:${COLOURS.plain}}`,
    ".title,.bad{font-weight:bold}",
    ...colours,
    ".f{opacity:0}.still{opacity:1}",
    `@media (prefers-reduced-motion:no-preference){.f{animation:${seconds}s step-end infinite}}`,
    ...keyframes,
  ].join("\n");
}

function escape(words: string): string {
  return words.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
