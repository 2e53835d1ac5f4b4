/** Owns how a title becomes the last part of an address. Knows nothing of other articles. */

const MAX_LENGTH = 80;

/** Letters that decomposition leaves alone, in the spelling that is common in addresses. */
const LETTERS: Readonly<Record<string, string>> = {
  ß: "ss",
  æ: "ae",
  œ: "oe",
  ø: "o",
  đ: "d",
  ð: "d",
  þ: "th",
  ł: "l",
  ı: "i",
  ħ: "h",
  ŋ: "n",
  а: "a",
  б: "b",
  в: "v",
  г: "g",
  д: "d",
  е: "e",
  ё: "e",
  ж: "zh",
  з: "z",
  и: "i",
  й: "y",
  к: "k",
  л: "l",
  м: "m",
  н: "n",
  о: "o",
  п: "p",
  р: "r",
  с: "s",
  т: "t",
  у: "u",
  ф: "f",
  х: "kh",
  ц: "ts",
  ч: "ch",
  ш: "sh",
  щ: "shch",
  ъ: "",
  ы: "y",
  ь: "",
  э: "e",
  ю: "yu",
  я: "ya",
  і: "i",
  ї: "yi",
  є: "ye",
  ґ: "g",
  α: "a",
  β: "v",
  γ: "g",
  δ: "d",
  ε: "e",
  ζ: "z",
  η: "i",
  θ: "th",
  ι: "i",
  κ: "k",
  λ: "l",
  μ: "m",
  ν: "n",
  ξ: "x",
  ο: "o",
  π: "p",
  ρ: "r",
  σ: "s",
  ς: "s",
  τ: "t",
  υ: "y",
  φ: "f",
  χ: "ch",
  ψ: "ps",
  ω: "o",
};

/**
 * Lower-case ASCII letters, digits and single hyphens, 1–80 characters, cut at a word. A title in a
 * script without a Latin spelling here becomes `article`.
 */
export function slugOf(title: string): string {
  const ascii = [...title.toLowerCase().replaceAll("&", " and ").normalize("NFKC")]
    .map((char) => LETTERS[char] ?? char)
    .join("")
    .normalize("NFKD")
    .replace(/\p{M}+/gu, "")
    .replace(/[^\x20-\x7e]/g, (char) => LETTERS[char] ?? " ")
    .replace(/['’]/g, "")
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "");
  if (ascii.length <= MAX_LENGTH) return ascii || "article";
  const cut = ascii.slice(0, MAX_LENGTH + 1);
  const end = cut.lastIndexOf("-");
  return (end > MAX_LENGTH / 2 ? cut.slice(0, end) : ascii.slice(0, MAX_LENGTH)).replace(/-+$/, "");
}
