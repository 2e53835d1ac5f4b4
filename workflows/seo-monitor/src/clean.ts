/** Owns that what pages say can be stored: PostgreSQL takes neither NUL characters nor lone surrogates. Changes nothing else. */

/** The same value, such characters as U+FFFD. What a page says may hold any. */
export function storable<T>(value: T): T {
  const text = JSON.stringify(value, (_name, inner: unknown) =>
    typeof inner === "string" ? inner.replaceAll("\0", "\uFFFD").toWellFormed() : inner,
  );
  return JSON.parse(text) as T;
}
