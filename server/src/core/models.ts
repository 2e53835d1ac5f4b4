/** What the price list does not say of models: how much they produce at the most. Prices nothing. */

/**
 * By the beginning of a model's name, up to a hyphen or its end; the longest that fits. Checked on 2026-11-25 against
 * LiteLLM's `model_prices_and_context_window.json` (`max_output_tokens`, of 2026-07-24); where that differs from the
 * provider's own page, or does not know the model, the page is named. The larger of two figures is taken: it is a bound.
 */
const MOST_OUTPUT: Readonly<Record<string, number>> = {
  "gpt-3.5-turbo": 4_097,
  // OpenAI: as much as its window, 8,192 and 32,768.
  "gpt-4": 8_192,
  "gpt-4-32k": 32_768,
  "gpt-4-turbo": 4_096,
  "gpt-4.1": 32_768,
  "gpt-4o": 16_384,
  o1: 100_000,
  o3: 100_000,
  o4: 100_000,
  "gpt-5": 128_000,
  // developers.openai.com/api/docs/models/gpt-5-pro
  "gpt-5-pro": 272_000,
  "gpt-5.1": 128_000,
  "gpt-5.2": 128_000,
  "gpt-5.3": 128_000,
  "gpt-5.4": 128_000,
  "gpt-5.5": 128_000,
  "gpt-5.6": 128_000,
  // vercel.com/ai-gateway/models/openai/gpt-6-luna, docs.oxen.ai/inference-api/reference/models/gpt-6-luna
  "gpt-6-luna": 128_000,
  "gemini-2.0": 8_192,
  "gemini-2.5": 65_536,
  "gemini-3": 65_536,
  "gemini-3.1": 65_536,
  "gemini-3.5": 65_536,
  "gemini-3.6": 65_536,
  // ai.google.dev/gemini-api/docs/models/gemini-3.7-flash
  "gemini-3.7": 65_536,
  // vercel.com/ai-gateway/models/gemini-3.8-flash
  "gemini-3.8": 65_536,
};
/** No answer is longer than its model's window; where the price list tells none, than the largest there is. */
const LARGEST_WINDOW = 2_000_000;

/** The most tokens that one answer of a model of the price list can have. */
export function mostOutputTokens(model: string, contextWindow: number | undefined): number {
  const fits = Object.keys(MOST_OUTPUT).filter(
    (beginning) => model === beginning || model.startsWith(`${beginning}-`),
  );
  const longest = fits.sort((a, b) => b.length - a.length)[0];
  const window = contextWindow ?? LARGEST_WINDOW;
  return longest === undefined ? window : Math.min(MOST_OUTPUT[longest] as number, window);
}
