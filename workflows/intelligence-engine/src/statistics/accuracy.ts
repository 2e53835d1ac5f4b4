/** Owns how forecasts are measured, by their published definitions. Pure. */
import { mean } from "./robust.ts";

/** The mean absolute error. */
export function meanAbsoluteError(actual: readonly number[], forecast: readonly number[]): number {
  return mean(actual.map((value, i) => Math.abs(value - (forecast[i] as number))));
}

/** Of M4 (Makridakis et al. 2020), in per cent from 0 to 200; a value and a forecast of 0 are no error. */
export function symmetricPercentageError(actual: readonly number[], forecast: readonly number[]): number {
  return mean(
    actual.map((value, i) => {
      const told = forecast[i] as number;
      const size = Math.abs(value) + Math.abs(told);
      return size === 0 ? 0 : (200 * Math.abs(value - told)) / size;
    }),
  );
}

/** In per cent of the actual values, which must not be 0. */
export function percentageError(actual: readonly number[], forecast: readonly number[]): number {
  return mean(actual.map((value, i) => (100 * Math.abs(value - (forecast[i] as number))) / Math.abs(value)));
}

/** The mean absolute error of the seasonal naive forecast within `history`: what a scaled error is scaled by. */
export function naiveScale(history: readonly number[], period: number): number {
  return mean(history.slice(period).map((value, i) => Math.abs(value - (history[i] as number))));
}

/** Hyndman and Koehler (2006), seasonal: errors in units of the naive forecast's own in `history`. Null without variation. */
export function scaledError(
  actual: readonly number[],
  forecast: readonly number[],
  history: readonly number[],
  period: number,
): number | null {
  const scale = naiveScale(history, period);
  return scale === 0 ? null : meanAbsoluteError(actual, forecast) / scale;
}
