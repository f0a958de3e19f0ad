import { type DashboardBuilder, RowBuilder } from '@grafana/grafana-foundation-sdk/dashboard';
import type { PanelOf } from './panels.ts';

/** The width of Grafana's grid. */
const gridWidth = 24;

export interface Row {
  readonly title: string;
  /** Height of its panels, in grid units of 30 pixels. */
  readonly height: number;
  /** Each with its width in grid units; what does not fit a line goes to the next. */
  readonly panels: readonly (readonly [width: number, panel: PanelOf])[];
}

/** Puts rows of panels below each other. Panels are numbered in order, so that links to one stay right. */
export function addRows(dashboard: DashboardBuilder, rows: readonly Row[]): void {
  let id = 0;
  let y = 0;
  for (const { title, height, panels } of rows) {
    dashboard.withRow(new RowBuilder(title).id(++id).gridPos({ x: 0, y, w: gridWidth, h: 1 }));
    y += 1;
    let x = 0;
    for (const [width, panel] of panels) {
      if (x + width > gridWidth) {
        x = 0;
        y += height;
      }
      dashboard.withPanel(panel.id(++id).gridPos({ x, y, w: width, h: height }));
      x += width;
    }
    y += height;
  }
}
