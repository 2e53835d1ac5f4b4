/** Owns the forecasting models: the seasonal naive one, and MSTL with exponential smoothing. Judges none of them. */
import { readFileSync } from "node:fs";
import { initSync, MSTL } from "@bsull/augurs/mstl";

export interface Model {
  name: "seasonal_naive" | "mstl_ets" | "mstl_ets_log";
  words: string;
  /** The next `horizon` values; throws where the series is not for it. */
  forecast(history: readonly number[], horizon: number, period: number): number[];
}

/** The bar: what stood at the same place of the last period. */
export const SEASONAL_NAIVE: Model = {
  name: "seasonal_naive",
  words: "the same weekday of the last week",
  forecast(history, horizon, period) {
    const last = history.slice(-period);
    return Array.from({ length: horizon }, (_, i) => last[i % last.length] as number);
  },
};

let loaded = false;

/** Bandara, Hyndman, Bergmeir (2021), the trend by exponential smoothing with its form chosen by AICc. */
function mstl(history: readonly number[], horizon: number, period: number): number[] {
  if (!loaded) {
    // The package's own loader fetches its module by URL, which Node does not do for files.
    const file = new URL("mstl_bg.wasm", import.meta.resolve("@bsull/augurs/mstl"));
    initSync({ module: readFileSync(file) });
    loaded = true;
  }
  const model = MSTL.ets([period]);
  try {
    model.fit(Float64Array.from(history));
    const { point } = model.predict(horizon);
    if (point.length !== horizon || !point.every(Number.isFinite))
      throw new Error("the model gave no numbers");
    return point;
  } finally {
    model.free();
  }
}

export const MSTL_ETS: Model = { name: "mstl_ets", words: "MSTL with exponential smoothing", forecast: mstl };

/** For counts and money that grow in proportion: its season is a factor, and it never goes below 0. */
export const MSTL_ETS_LOG: Model = {
  name: "mstl_ets_log",
  words: "MSTL with exponential smoothing on the logarithm",
  forecast(history, horizon, period) {
    if (history.some((value) => value < 0)) throw new Error("a logarithm needs values of 0 or more");
    return mstl(history.map(Math.log1p), horizon, period).map((value) => Math.max(0, Math.expm1(value)));
  },
};
