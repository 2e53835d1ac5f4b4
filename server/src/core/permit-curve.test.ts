/** What a rolling limit lets through over the next minutes, against what runs are expected to ask for. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aPermitSupply, MINUTE, SECOND } from "#test/builders.ts";
import { firstFit, fitsFrom, freeInMs, momentMs, openCurve, promise } from "./permit-curve.ts";

const flow = (calls: number, seconds = 0) => ({ calls, durationMs: seconds * SECOND });

describe("a limit of which nothing is used", () => {
  it("lets all of it through at once, and more only a window later", () => {
    const curve = openCurve(aPermitSupply(), 0);
    assert.ok(fitsFrom(curve, flow(60)));
    promise(curve, flow(60));
    assert.ok(!fitsFrom(curve, flow(1)));
    const start = firstFit([{ curve, flow: flow(60) }]);
    assert.equal(momentMs(start as number), 63 * SECOND);
  });

  it("carries runs that ask for as much in each window as it lets through, however long they are", () => {
    const curve = openCurve(aPermitSupply(), 0);
    promise(curve, flow(250, 300));
    assert.ok(fitsFrom(curve, flow(30, 300)), "280 of the 285 of five minutes");
    assert.ok(!fitsFrom(curve, flow(120, 300)), "370 are more than the windows of five minutes have");
  });

  it("lets nothing through while the provider rests", () => {
    const curve = openCurve(aPermitSupply(), MINUTE);
    assert.ok(!fitsFrom(curve, flow(1)));
    assert.equal(momentMs(firstFit([{ curve, flow: flow(1) }]) as number), MINUTE);
  });
});

describe("a limit that is used up", () => {
  const freeing = [
    { inMs: 10 * SECOND, permits: 20 },
    { inMs: 40 * SECOND, permits: 40 },
  ];
  const used = aPermitSupply({ used: 60, free: 0, freeing });

  it("starts a run at the first moment from which on its requests find their permits", () => {
    const at = (calls: number, seconds?: number) => {
      const curve = openCurve(used, 0);
      return momentMs(firstFit([{ curve, flow: flow(calls, seconds) }]) as number);
    };
    assert.equal(at(20), 12 * SECOND);
    assert.equal(at(21), 42 * SECOND);
    assert.equal(at(30, 60), 9 * SECOND, "its second request comes when the first permits are free");
  });

  it("says when so many are free", () => {
    assert.deepEqual(
      [0, 20, 21, 60, 61].map((calls) => freeInMs(used, calls)),
      [0, 10 * SECOND, 40 * SECOND, 40 * SECOND, null],
    );
    assert.equal(freeInMs(aPermitSupply({ limit: 0 }), 1), null);
  });

  it("starts two limits' run when both let it", () => {
    const day = openCurve(
      aPermitSupply({ kind: "requests_per_day", windowMs: 86_403 * SECOND, limit: 1000 }),
      0,
    );
    const curves = [openCurve(used, 0), day].map((curve) => ({ curve, flow: flow(30) }));
    assert.equal(momentMs(firstFit(curves) as number), 42 * SECOND);
  });
});
