/** Owns which properties the types of schema.org need, as Google's documentation of structured data asks for them. Data only. */

export interface TypeRule {
  /** Each entry is a property, or several of which one is enough (`a|b`). */
  required: readonly string[];
  recommended: readonly string[];
}

const ARTICLE: TypeRule = {
  // Google requires none of an Article; without these three a result shows neither title, author nor date.
  required: ["headline", "author", "datePublished"],
  recommended: ["image", "dateModified", "publisher", "mainEntityOfPage"],
};

/** https://developers.google.com/search/docs/appearance/structured-data, by type. */
export const TYPE_RULES: Readonly<Record<string, TypeRule>> = {
  Article: ARTICLE,
  NewsArticle: ARTICLE,
  BlogPosting: ARTICLE,
  TechArticle: ARTICLE,
  BreadcrumbList: { required: ["itemListElement"], recommended: [] },
  Course: { required: ["name", "description"], recommended: ["provider"] },
  Dataset: { required: ["name", "description"], recommended: ["license", "creator"] },
  Event: {
    required: ["name", "startDate", "location"],
    recommended: ["endDate", "description", "image", "offers"],
  },
  FAQPage: { required: ["mainEntity"], recommended: [] },
  JobPosting: {
    required: [
      "title",
      "description",
      "datePosted",
      "hiringOrganization",
      "jobLocation|applicantLocationRequirements",
    ],
    recommended: ["validThrough", "employmentType"],
  },
  LocalBusiness: {
    required: ["name", "address"],
    recommended: ["telephone", "openingHoursSpecification", "url"],
  },
  Organization: { required: ["name"], recommended: ["url", "logo"] },
  Person: { required: ["name"], recommended: [] },
  Product: { required: ["name", "review|aggregateRating|offers"], recommended: ["image", "description"] },
  Recipe: {
    required: ["name", "image"],
    recommended: ["recipeIngredient", "recipeInstructions", "totalTime"],
  },
  Review: { required: ["author", "itemReviewed", "reviewRating"], recommended: ["datePublished"] },
  SoftwareApplication: { required: ["name", "offers"], recommended: ["applicationCategory"] },
  VideoObject: { required: ["name", "thumbnailUrl", "uploadDate"], recommended: ["description", "duration"] },
  WebSite: { required: ["name", "url"], recommended: [] },
};

export const ARTICLE_TYPES: readonly string[] = ["Article", "NewsArticle", "BlogPosting", "TechArticle"];

/** Properties whose values are moments: ISO 8601, a date at the least. */
export const DATE_PROPERTIES = [
  "datePublished",
  "dateModified",
  "startDate",
  "endDate",
  "uploadDate",
  "datePosted",
  "validThrough",
];
