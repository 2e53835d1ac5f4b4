/** Owns the published series that tests are held against, and seeded noise. For tests. */

/** Flow of the Nile at Aswan, 1871–1970, in 10⁸ m³ (Cobb 1978; R's `Nile`). */
export const NILE = [
  1120, 1160, 963, 1210, 1160, 1160, 813, 1230, 1370, 1140, 995, 935, 1110, 994, 1020, 960, 1180, 799, 958,
  1140, 1100, 1210, 1150, 1250, 1260, 1220, 1030, 1100, 774, 840, 874, 694, 940, 833, 701, 916, 692, 1020,
  1050, 969, 831, 726, 456, 824, 702, 1120, 1100, 832, 764, 821, 768, 845, 864, 862, 698, 845, 744, 796, 1040,
  759, 781, 865, 845, 944, 984, 897, 822, 1010, 771, 676, 649, 846, 812, 742, 801, 1040, 860, 874, 848, 890,
  744, 749, 838, 1050, 918, 986, 797, 923, 975, 815, 1020, 906, 901, 1170, 912, 746, 919, 718, 714, 740,
];

/** Airline passengers in thousands, by month, 1949–1960 (Box and Jenkins 1976, series G; R's `AirPassengers`). */
export const AIR_PASSENGERS = [
  112, 118, 132, 129, 121, 135, 148, 148, 136, 119, 104, 118, 115, 126, 141, 135, 125, 149, 170, 170, 158,
  133, 114, 140, 145, 150, 178, 163, 172, 178, 199, 199, 184, 162, 146, 166, 171, 180, 193, 181, 183, 218,
  230, 242, 209, 191, 172, 194, 196, 196, 236, 235, 229, 243, 264, 272, 237, 211, 180, 201, 204, 188, 235,
  227, 234, 264, 302, 293, 259, 229, 203, 229, 242, 233, 267, 269, 270, 315, 364, 347, 312, 274, 237, 278,
  284, 277, 317, 313, 318, 374, 413, 405, 355, 306, 271, 306, 315, 301, 356, 348, 355, 422, 465, 467, 404,
  347, 305, 336, 340, 318, 362, 348, 363, 435, 491, 505, 404, 359, 310, 337, 360, 342, 406, 396, 420, 472,
  548, 559, 463, 407, 362, 405, 417, 391, 419, 461, 472, 535, 622, 606, 508, 461, 390, 432,
];

export interface Chance {
  /** 0 to 1. */
  next(): number;
  normal(): number;
  poisson(mean: number): number;
}

/** The same numbers for the same seed (mulberry32). */
export function seeded(seed: number): Chance {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
  const normal = () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
  return {
    next,
    normal,
    poisson: (mean) =>
      Math.max(0, mean < 30 ? small(mean, next) : Math.round(mean + Math.sqrt(mean) * normal())),
  };
}

function small(mean: number, next: () => number): number {
  let count = 0;
  for (let product = next(); product > Math.exp(-mean); product *= next()) count++;
  return count;
}

/** What a weekday is of an average day. */
export const WEEK = [1.2, 1.25, 1.2, 1.1, 1, 0.6, 0.65];

/** Days of readers: a level, a weekly season, noise beyond that of counting, and what the test changes about it. */
export function readers(
  days: number,
  chance: Chance,
  { level = 1000, noise = 0.05, alter = (value: number, _day: number) => value } = {},
): number[] {
  return Array.from({ length: days }, (_, day) => {
    const mean = alter(level * (WEEK[day % 7] as number), day) * Math.exp(noise * chance.normal());
    return chance.poisson(mean);
  });
}
