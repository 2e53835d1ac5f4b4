/** What the price list does not say of models: how much they produce at the most. Prices nothing. */

/** By the beginning of a model's name, the longest that fits. From the providers' model pages. */
const MOST_OUTPUT: Readonly<Record<string, number>> = {
  "gpt-3.5": 4_096,
  "gpt-4": 8_192,
  "gpt-4-32k": 32_768,
  "gpt-4-turbo": 4_096,
  "gpt-4-vision": 4_096,
  "gpt-4.1": 32_768,
  "gpt-4.5": 16_384,
  "gpt-4o": 16_384,
  "chatgpt-4o": 16_384,
  o1: 100_000,
  "o1-mini": 65_536,
  "o1-preview": 32_768,
  o3: 100_000,
  o4: 100_000,
  "gpt-5-pro": 272_000,
  "gemini-1.5": 8_192,
  "gemini-2.0": 8_192,
  "gemini-2.5": 65_536,
  "gemini-3": 65_536,
};
/** For models that are not in the list: no more than this was ever offered to ordinary calls. */
const MOST_OF_OTHERS = 131_072;

/** The most tokens that one answer of a model of the price list can have. */
export function mostOutputTokens(model: string, contextWindow: number | undefined): number {
  const fits = Object.keys(MOST_OUTPUT).filter((beginning) => model.startsWith(beginning));
  const longest = fits.sort((a, b) => b.length - a.length)[0];
  const most = longest === undefined ? MOST_OF_OTHERS : (MOST_OUTPUT[longest] as number);
  return Math.min(most, contextWindow ?? most);
}
