import { short } from "../world/shape.ts";
import { number } from "./numbers.ts";
import type { Plot, Series } from "./section.ts";

const width = 800;
const height = 400;
const frame = { left: 64, right: 300, top: 44, bottom: 48 };

/** Told apart also by people who see no red, and on white as on black. */
const colours = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b58900"];

/** Grey that is read on a white page and on a black one. */
const ink = "#7d8590";

/** A plot as SVG, both axes logarithmic. */
export function svgPlot(plot: Plot): string {
  const points = plot.series.flatMap((series) => series.points);
  const x = scale(points.map((point) => point.x), [
    frame.left,
    width - frame.right,
  ]);
  const y = scale(points.map((point) => point.y), [
    height - frame.bottom,
    frame.top,
  ]);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}"` +
    ` font-family="system-ui, sans-serif" font-size="12" role="img"` +
    ` aria-label="${escape(plot.title)}">`,
    text(frame.left, 22, plot.title, `font-size="14" font-weight="600"`),
    ...x.ticks.map((tick) => verticalLine(x.at(tick), short(tick))),
    ...y.ticks.map((tick) => horizontalLine(y.at(tick), tick)),
    text(
      (frame.left + width - frame.right) / 2,
      height - 10,
      plot.xLabel,
      `text-anchor="middle"`,
    ),
    text(
      0,
      0,
      plot.yLabel,
      `text-anchor="middle" transform="translate(14 ${
        height / 2
      }) rotate(-90)"`,
    ),
    ...plot.series.map((series, n) => curve(series, n, x.at, y.at)),
    "</svg>",
    "",
  ].join("\n");
}

interface Scale {
  ticks: number[];
  at(value: number): number;
}

/** Whole powers of ten around the values, mapped to the range. */
function scale(values: number[], [from, to]: [number, number]): Scale {
  const low = Math.floor(Math.log10(Math.min(...values)));
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...values))));
  return {
    ticks: Array.from({ length: high - low + 1 }, (_, n) => 10 ** (low + n)),
    at: (value) =>
      from + (to - from) * (Math.log10(value) - low) / (high - low),
  };
}

function curve(
  { name, points }: Series,
  n: number,
  x: (value: number) => number,
  y: (value: number) => number,
): string {
  const colour = colours[n % colours.length] ?? ink;
  const places = points.map((point) =>
    `${x(point.x).toFixed(1)},${y(point.y).toFixed(1)}`
  );
  const dots = places.map((place) => {
    const [cx, cy] = place.split(",");
    return `<circle cx="${cx}" cy="${cy}" r="3.5" fill="${colour}"/>`;
  });
  const legendY = frame.top + 10 + n * 22;
  const legendX = width - frame.right + 18;
  return [
    `<polyline fill="none" stroke="${colour}" stroke-width="2" points="${
      places.join(" ")
    }"/>`,
    ...dots,
    `<circle cx="${legendX}" cy="${legendY - 4}" r="4" fill="${colour}"/>`,
    text(legendX + 10, legendY, name),
  ].join("\n");
}

function verticalLine(x: number, label: string): string {
  const bottom = height - frame.bottom;
  return line(x, frame.top, x, bottom) +
    text(x, bottom + 16, label, `text-anchor="middle"`);
}

function horizontalLine(y: number, value: number): string {
  const label = value >= 1 ? number(value).replace(/\.0+$/, "") : String(value);
  return line(frame.left, y, width - frame.right, y) +
    text(frame.left - 8, y + 4, label, `text-anchor="end"`);
}

function line(x1: number, y1: number, x2: number, y2: number): string {
  return `<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" ` +
    `stroke="${ink}" stroke-opacity="0.25"/>`;
}

function text(x: number, y: number, words: string, more = ""): string {
  return `<text x="${x}" y="${y}" fill="${ink}" ${more}>${
    escape(words)
  }</text>`;
}

function escape(words: string): string {
  return words.replaceAll("&", "&amp;").replaceAll("<", "&lt;")
    .replaceAll('"', "&quot;");
}
