/** Owns the check that a text says no number that is not in the data. Pure. */

/** As reports write them: `1,234.5`. */
const NUMBER = /\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?/g;
/** Words that are numbers as well: allowed only where the data has them. */
const NUMBER_WORDS =
  /\b(?:thousands?|millions?|billions?|dozens?|doubled?|tripled?|halved|half|twice|thirds?|quarters?|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundreds?)\b/gi;

/** The numbers that a text states, each in one form however it is written. */
export function numbersIn(text: string): string[] {
  const figures = [...text.matchAll(NUMBER)].map(([found]) => String(Number(found.replaceAll(",", ""))));
  const words = [...text.matchAll(NUMBER_WORDS)].map(([found]) => found.toLowerCase());
  return [...figures, ...words];
}

/** Numbers that `text` states and none of `sources` does. */
export function ungrounded(text: string, sources: readonly string[]): string[] {
  const known = new Set(sources.flatMap(numbersIn));
  return numbersIn(text).filter((number) => !known.has(number));
}
