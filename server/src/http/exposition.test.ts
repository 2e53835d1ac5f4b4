/** Prometheus' text form: names escaped, buckets cumulative, nothing told that is not known. */
import assert from "node:assert/strict";
import { it } from "node:test";
import { histogram, metric } from "./exposition.ts";

it("a name with quotes, backslashes and line ends stays one label", () => {
  const text = metric("m", "gauge", "a\nb", [{ labels: { name: 'a"b\\c\nd' }, value: 1 }]);
  assert.equal(text, '# HELP m a\\nb\n# TYPE m gauge\nm{name="a\\"b\\\\c\\nd"} 1\n');
});

it("buckets add up to the count", () => {
  assert.equal(
    histogram("h", "x", [1, 5], [{ labels: { lane: "a" }, counts: [2, 1, 4], sum: 9.5 }]),
    [
      ...["# HELP h x", "# TYPE h histogram", 'h_bucket{lane="a",le="1"} 2', 'h_bucket{lane="a",le="5"} 3'],
      ...['h_bucket{lane="a",le="+Inf"} 7', 'h_sum{lane="a"} 9.5', 'h_count{lane="a"} 7', ""],
    ].join("\n"),
  );
});

it("what is not known is left out, and a figure without samples too", () => {
  assert.equal(metric("m", "gauge", "x", [null, { value: Number.NaN }]), "");
  assert.equal(histogram("h", "x", [1], []), "");
});
