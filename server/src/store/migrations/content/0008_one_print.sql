-- Likeness is told in one way: by the prints that the SEO monitor takes of an article's text. Those that the pipeline took by
-- another scheme are of no use beside them; articles that have no others are given theirs by the next comparison or audit,
-- from the text that stands in content.articles.

update content.articles a set printed_at = null
 where printed_at is not null and not exists (select from content.article_prints p where p.article_id = a.article_id);
drop table content.article_fingerprints;

comment on table content.article_prints is 'What originality, near-duplicates and rivals are told by: MinHash of the text, keys of title, description and keywords';
