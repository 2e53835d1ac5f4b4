/** Exact money: tokens times dollars per million tokens, in whole millionths of a dollar. Knows no price list. */

/** A price in dollars per million tokens: so one token costs as many millionths of a dollar. */
export interface Rate {
  tokens: number;
  usdPerMillion: number;
}

/** Prices are exact to this many decimals; in units of it sums are whole numbers. */
const DECIMALS = 12;
const ONE = 10n ** BigInt(DECIMALS);

/** What tokens at their rates cost, rounded half up to a millionth of a dollar. */
export function costMicros(rates: readonly Rate[]): number {
  return Number((sum(rates) + ONE / 2n) / ONE);
}

/** The same, rounded up: what has to be set aside so that no rounding exceeds it. */
export function ceilingMicros(rates: readonly Rate[]): number {
  return Number((sum(rates) + ONE - 1n) / ONE);
}

/** Dollars on the wire to millionths, half up. */
export function microsOf(usd: number): number {
  return costMicros([{ tokens: 1_000_000, usdPerMillion: usd }]);
}

function sum(rates: readonly Rate[]): bigint {
  return rates.reduce(
    (total, { tokens, usdPerMillion }) => total + BigInt(tokens) * scaled(usdPerMillion),
    0n,
  );
}

function scaled(usd: number): bigint {
  return BigInt(usd.toFixed(DECIMALS).replace(".", ""));
}
