/** Reads what a provider says a call has used. An explicit zero is a number; what is not there is unknown, never zero. */

/** In tokens. Cached and audio input are parts of `input`, thinking and media output parts of `output`. */
export interface TokenUsage {
  input: number;
  cachedInput: number;
  cacheWrite: number;
  audioInput: number;
  output: number;
  thinking: number;
  audioOutput: number;
  imageOutput: number;
}

type Fields = Record<string, unknown>;

/** OpenAI's `usage`, of chat completions, completions and embeddings or of responses; null if it says too little or nonsense. */
export function readOpenAiUsage(value: unknown): TokenUsage | null {
  const usage = fields(value);
  const inResponses = "input_tokens" in usage;
  const into = fields(usage[inResponses ? "input_tokens_details" : "prompt_tokens_details"]);
  const outOf = fields(usage[inResponses ? "output_tokens_details" : "completion_tokens_details"]);
  const embedding = !inResponses && !("completion_tokens" in usage);
  return checked({
    input: count(usage[inResponses ? "input_tokens" : "prompt_tokens"]),
    cachedInput: part(into.cached_tokens),
    cacheWrite: part(into.cache_write_tokens),
    audioInput: part(into.audio_tokens),
    output: embedding ? 0 : count(usage[inResponses ? "output_tokens" : "completion_tokens"]),
    thinking: part(outOf.reasoning_tokens),
    audioOutput: part(outOf.audio_tokens),
    imageOutput: part(outOf.image_tokens),
  });
}

/** Gemini's `usageMetadata`: the prompt includes what was cached, the candidates exclude the thoughts. Null as above. */
export function readGeminiUsage(value: unknown): TokenUsage | null {
  const usage = fields(value);
  const thinking = part(usage.thoughtsTokenCount);
  return checked({
    input: count(usage.promptTokenCount) + part(usage.toolUsePromptTokenCount),
    cachedInput: part(usage.cachedContentTokenCount),
    cacheWrite: 0,
    audioInput: ofModality(usage.promptTokensDetails, "AUDIO"),
    output: part(usage.candidatesTokenCount) + thinking,
    thinking,
    audioOutput: ofModality(usage.candidatesTokensDetails, "AUDIO"),
    imageOutput: ofModality(usage.candidatesTokensDetails, "IMAGE"),
  });
}

/** Two reports of one call, the later over the earlier: totals are cumulative, and a later report may leave some out. */
export function mergeReports(earlier: unknown, later: unknown): unknown {
  const told = Object.entries(fields(later)).filter(([, value]) => value !== null && value !== undefined);
  return { ...fields(earlier), ...Object.fromEntries(told) };
}

function fields(value: unknown): Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}

/** NaN for what is missing or nonsense. */
function count(value: unknown): number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : Number.NaN;
}

/** A part that is not told is no part. */
function part(value: unknown): number {
  return value === undefined || value === null ? 0 : count(value);
}

function ofModality(details: unknown, modality: string): number {
  if (!Array.isArray(details)) return 0;
  return details
    .map(fields)
    .filter((detail) => detail.modality === modality)
    .reduce((sum, detail) => sum + part(detail.tokenCount), 0);
}

function checked(usage: TokenUsage): TokenUsage | null {
  if (Object.values(usage).some(Number.isNaN)) return null;
  const { input, cachedInput, cacheWrite, audioInput, output, thinking, audioOutput, imageOutput } = usage;
  const whole = cachedInput + cacheWrite <= input && audioInput <= input;
  return whole && thinking <= output && audioOutput + imageOutput <= output ? usage : null;
}
