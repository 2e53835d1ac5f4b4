/** Owns where revenue is to be had: ranks by what is expected, with how sure that is and what to do. Stores nothing. */
import type {
  ArticleStanding,
  Library,
  OfferStanding,
  Opportunity,
  TypeStanding,
  Window,
} from "./library.ts";
import { combine } from "./statistics/combine.ts";
import { gamma, normal } from "./statistics/distributions.ts";
import type { Payments } from "./statistics/interval.ts";
import { type Prior, rateOfGroup, rateOfGroups, shrinkMeans } from "./statistics/shrinkage.ts";

const DAY_MS = 86_400_000;
const HORIZON_DAYS = 30;
/** Less likely gains are no opportunities. */
const LEAST_CHANCE = 0.8;
const LEAST_USD = 1;
const LEAST_VIEWS = 500;
const LEAST_CONVERSIONS = 20;
const LEAST_PAYMENTS = 5;
const LEAST_ARTICLES = 5;
/** An advice to write more is reckoned for so many articles. */
const ARTICLES_MORE = 10;
const MOST_CANDIDATES = 100;
const MOST_KEPT = 100;

export interface Found {
  opportunities: Opportunity[];
  /** What could not be looked for, and why. */
  skipped: { kind: Opportunity["kind"]; reason: string }[];
}

/** Everything that is worth doing, the largest expected gain first. */
export async function findOpportunities(library: Library, window: Window): Promise<Found> {
  const days = (window.toMs - window.fromMs) / DAY_MS;
  const perHorizon = HORIZON_DAYS / days;
  const articles = await library.articles(window, { views: LEAST_VIEWS }, MOST_CANDIDATES);
  const [offers, types] = [
    await library.offers(window, MOST_CANDIDATES),
    await library.contentTypes(window, MOST_CANDIDATES),
  ];
  const looked = [
    lowConversion(articles, perHorizon),
    betterOffers(offers, perHorizon),
    contentTypes(types, perHorizon),
  ];
  return {
    opportunities: looked
      .flatMap(({ opportunities }) => opportunities)
      .filter(({ chance, expectedUsd }) => chance >= LEAST_CHANCE && expectedUsd >= LEAST_USD)
      .toSorted((a, b) => b.expectedUsd - a.expectedUsd)
      .slice(0, MOST_KEPT),
    skipped: looked.flatMap(({ skipped }) => skipped),
  };
}

const nothing = (kind: Opportunity["kind"], reason: string): Found => ({
  opportunities: [],
  skipped: [{ kind, reason: `not enough data: ${reason}` }],
});

/**
 * Articles that convert worse than articles with their mix of channels do. An article's rate is drawn towards the mean
 * by empirical Bayes, so a few unlucky readers make no opportunity of it.
 */
export function lowConversion(
  { moments, conversions, payments, articles }: Awaited<ReturnType<Library["articles"]>>,
  perHorizon: number,
): Found {
  const kind = "low_conversion";
  const prior = rateOfGroups(moments);
  if (!prior || conversions < LEAST_CONVERSIONS)
    return nothing(kind, `${conversions} conversions of articles`);
  if (payments.count < LEAST_PAYMENTS || payments.sum <= 0)
    return nothing(kind, `${payments.count} payments`);
  const value = worthOf(payments, conversions);
  return {
    opportunities: articles
      .filter(({ expected, conversions: own }) => own < expected * prior.mean)
      .map((article) => raiseConversion(article, prior, value, perHorizon)),
    skipped: [],
  };
}

/** Dollars of one unit (a conversion, a view), as a gamma distribution with the mean and the variance of the sum. */
function worthOf({ sum, squares }: Payments, units: number) {
  return gamma(sum ** 2 / squares, (sum / squares) * units);
}

function raiseConversion(
  article: ArticleStanding,
  prior: Prior,
  value: ReturnType<typeof worthOf>,
  perHorizon: number,
): Opportunity {
  const { articleId, title, contentType, views, conversions, expected } = article;
  const rate = rateOfGroup(prior, { events: conversions, expected });
  const gain = combine(rate, value, (own, usd) => (prior.mean - own) * expected * usd * perHorizon);
  return {
    kind: "low_conversion",
    subject: articleId,
    title: `"${title}" converts ${percent(1 - rate.mean / prior.mean)} worse than articles with its readers`,
    ...usdOf(gain),
    evidence: {
      views,
      conversions,
      expected_conversions: round(expected * prior.mean),
      rate_of_expected: round(rate.mean / prior.mean),
      rate_of_expected_low: round(rate.quantile(0.025) / prior.mean),
      rate_of_expected_high: round(rate.quantile(0.975) / prior.mean),
      usd_per_conversion: round(value.mean),
      method: "empirical Bayes (Marshall 1991) against the rates of its channels",
    },
    action: {
      do: "experiment",
      why: "what keeps its readers from converting is not known: try another offer, place or call to action",
      experiment: {
        scope: { article_ids: [articleId] },
        surface: "offer",
        metric: "conversion",
        content_type: contentType,
      },
    },
  };
}

/** Articles of one type that show an offer which earns less per view than another offer does on articles of that type. */
export function betterOffers(offers: readonly OfferStanding[], perHorizon: number): Found {
  const kind = "better_offer";
  const known = offers.filter(
    ({ views, payments }) =>
      views >= LEAST_VIEWS && payments.count >= LEAST_PAYMENTS && payments.sum > 0 && !payments.refunds,
  );
  const opportunities = Object.values(Object.groupBy(known, ({ contentType }) => contentType)).flatMap(
    (group) => {
      const ranked = (group ?? []).toSorted((a, b) => b.payments.sum / b.views - a.payments.sum / a.views);
      const [best, ...others] = ranked;
      return best ? others.map((other) => moveOffer(best, other, perHorizon)) : [];
    },
  );
  if (opportunities.length > 0) return { opportunities, skipped: [] };
  const reason = `no content type has two offers with ${LEAST_VIEWS} views and ${LEAST_PAYMENTS} payments each`;
  return nothing(kind, reason);
}

function moveOffer(best: OfferStanding, other: OfferStanding, perHorizon: number): Opportunity {
  const [more, less] = [best, other].map(({ payments, views }) => worthOf(payments, views)) as [
    ReturnType<typeof worthOf>,
    ReturnType<typeof worthOf>,
  ];
  const gain = combine(more, less, (a, b) => (a - b) * other.views * perHorizon);
  const { contentType } = best;
  return {
    kind: "better_offer",
    subject: `${contentType}: ${other.offer} → ${best.offer}`,
    title: `${best.offer} earns more per view than ${other.offer} on ${contentType} articles`,
    ...usdOf(gain),
    evidence: {
      offer: best.offer,
      rpm_usd: round(1000 * more.mean),
      instead_of: other.offer,
      instead_rpm_usd: round(1000 * less.mean),
      articles: other.articles,
      views: other.views,
      payments: [best.payments.count, other.payments.count],
      method: "compound Poisson; different articles, so a difference of articles may pass for one of offers",
    },
    action: {
      do: "experiment",
      why: "the two stand on different articles: an experiment tells the offer from the article",
      experiment: {
        scope: { content_types: [contentType] },
        surface: "offer",
        metric: "revenue_per_unit",
        variants: [
          { key: "control", weight: 1, change: { offer: other.offer } },
          { key: "better", weight: 1, change: { offer: best.offer } },
        ],
      },
    },
  };
}

/** Content types whose articles earn more than articles in general. */
export function contentTypes(types: readonly TypeStanding[], perHorizon: number): Found {
  const kind = "content_type";
  const known = types.filter(
    ({ articles, standardErrorUsd }) => articles >= LEAST_ARTICLES && standardErrorUsd > 0,
  );
  if (known.length < 2) {
    return nothing(
      kind,
      `fewer than two content types have ${LEAST_ARTICLES} articles with revenue that differs`,
    );
  }
  const { common, each } = shrinkMeans(
    known.map(({ meanUsd, standardErrorUsd }) => ({ mean: meanUsd, standardError: standardErrorUsd })),
  );
  const none = { quantile: () => 0 };
  return {
    opportunities: known.map((type, i) => {
      const { mean, standardError } = each[i] as { mean: number; standardError: number };
      const belief = normal(mean, Math.max(standardError, Number.MIN_VALUE));
      const gain = combine(belief, none, (usd) => (usd - common) * ARTICLES_MORE * perHorizon);
      return {
        kind,
        subject: type.contentType,
        title: `Write more ${type.contentType} articles: they earn more than others`,
        ...usdOf(gain),
        evidence: {
          articles: type.articles,
          usd_per_article: round(type.meanUsd * perHorizon),
          usd_per_article_shrunken: round(mean * perHorizon),
          usd_per_article_of_all: round(common * perHorizon),
          reckoned_for_articles: ARTICLES_MORE,
          method: "means per article, drawn together (DerSimonian and Laird 1986)",
        },
        action: { do: "write", why: "per thirty days and article", content_type: type.contentType },
      };
    }),
    skipped: [],
  };
}

function usdOf({ mean, low, high, positive }: { mean: number; low: number; high: number; positive: number }) {
  return { expectedUsd: round(mean), lowUsd: round(low), highUsd: round(high), chance: positive };
}

/** Six significant digits: more would only pretend. */
function round(value: number): number {
  return Number(value.toPrecision(6));
}

const percent = (value: number) => `${Math.round(100 * value)} %`;
