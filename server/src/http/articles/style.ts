/** Owns how articles look: one style sheet, and the content security policy that admits it and nothing else. */
import { createHash } from "node:crypto";

export const ARTICLE_STYLE = `
:root{color-scheme:light dark;--paper:#fffdf9;--ink:#1f1d1a;--soft:#6a645b;--line:#e4ded2;--tint:#f6f1e7;--accent:#8c2f1b;
--measure:40rem;--serif:"Iowan Old Style","Palatino Linotype",Palatino,"Book Antiqua","Source Serif 4",Charter,Georgia,serif;
--sans:system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",sans-serif}
@media (prefers-color-scheme:dark){:root{--paper:#181715;--ink:#e6e1d8;--soft:#a39b8e;--line:#37332d;--tint:#211f1c;--accent:#e58f73}}
*{box-sizing:border-box}
html{scroll-behavior:smooth;-webkit-text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);font:1.1875rem/1.65 var(--serif);text-rendering:optimizeLegibility;
font-kerning:normal;hanging-punctuation:first}
a{color:var(--accent);text-decoration-thickness:1px;text-underline-offset:.18em}
a:hover{text-decoration-thickness:2px}
:focus-visible{outline:2px solid var(--accent);outline-offset:3px;border-radius:2px}
.skip{position:absolute;left:-999rem;background:var(--paper);padding:.5rem 1rem;font-family:var(--sans)}
.skip:focus{left:1rem;top:1rem;z-index:2}
.site{border-bottom:1px solid var(--line);font:600 .9rem/1 var(--sans)}
.site nav{max-width:72rem;margin:auto;padding:1.1rem 1.25rem}
.site a{color:var(--ink);text-decoration:none;letter-spacing:.01em}
.site a:hover{color:var(--accent)}
main{max-width:72rem;margin:auto;padding:0 1.25rem}
.head,.body,.foot,.related,.list{max-width:var(--measure);margin-inline:auto}
.head{padding:clamp(2rem,6vw,4.5rem) 0 1.5rem}
.kicker{margin:0 0 .9rem;color:var(--accent);font:600 .8rem/1.2 var(--sans);letter-spacing:.08em;text-transform:uppercase}
h1{margin:0;font-size:clamp(2rem,1.2rem + 3.4vw,3.25rem);line-height:1.1;font-weight:700;letter-spacing:-.015em;text-wrap:balance;
overflow-wrap:break-word}
.dek{margin:1.1rem 0 0;color:var(--soft);font-size:1.3rem;line-height:1.5;text-wrap:pretty}
.byline{margin:1.5rem 0 0;padding-top:1rem;border-top:1px solid var(--line);color:var(--soft);font:.9rem/1.5 var(--sans)}
.byline>*+*::before{content:"·";margin:0 .5em}
.byline b{color:var(--ink);font-weight:600}
.made{margin:.35rem 0 0;color:var(--soft);font:.85rem/1.5 var(--sans)}
.body{overflow-wrap:break-word}
.body p{margin:0 0 1.15em;text-wrap:pretty;hyphens:auto}
.body h2{margin:2.2em 0 .6em;font:700 1.45rem/1.25 var(--serif);letter-spacing:-.005em;scroll-margin-top:1.5rem;text-wrap:balance}
.body h3,.body h4{margin:1.6em 0 .5em;font:700 1.12rem/1.3 var(--serif)}
.body ul,.body ol{margin:0 0 1.15em;padding-left:1.4em}
.body li{margin:.35em 0}
.body blockquote{margin:1.5em 0;padding-left:1.2em;border-left:3px solid var(--line);color:var(--soft)}
.body pre{overflow-x:auto;padding:1em;background:var(--tint);font-size:.85em;line-height:1.5}
.body code{font-size:.88em}
.body table{display:block;overflow-x:auto;border-collapse:collapse;font:.92rem/1.5 var(--sans)}
.body th,.body td{padding:.4em .8em;border-bottom:1px solid var(--line);text-align:left}
.lead{font-size:1.12em}
.citation{margin-left:.1em;font:.66em/0 var(--sans);vertical-align:super;text-decoration:none;padding:.3em .15em}
.citation:hover{text-decoration:underline}
.key-facts{margin:.5rem 0 2rem;padding:1.2rem 1.4rem 1rem;background:var(--tint);border-radius:6px;font:1rem/1.55 var(--sans)}
.body .key-facts h2,.body .sources h2{margin:0 0 1em;color:var(--soft);font:600 .8rem/1.2 var(--sans);letter-spacing:.08em;text-transform:uppercase}
.key-facts ul{margin:0;padding-left:1.1em}
.key-facts li::marker{color:var(--accent)}
.pull-quote{margin:2.4rem 0;padding:1.4rem 0;border-block:1px solid var(--line);text-align:center}
.body .pull-quote p{margin:0 auto;max-width:26em;font-size:1.5rem;line-height:1.35;font-style:italic;text-wrap:balance;hyphens:none}
.sources{margin-top:3rem;padding-top:1.4rem;border-top:1px solid var(--line);font:.95rem/1.5 var(--sans)}
.sources ol{margin:0;padding-left:1.6em}
.sources cite{font-style:normal}
.sources li:target{background:var(--tint)}
.note,.foot,.empty{color:var(--soft)}
.foot{margin-top:2.5rem;padding:1.2rem 0 0;border-top:1px solid var(--line);font:.85rem/1.6 var(--sans)}
.tags{margin:0 0 1rem;padding:0;list-style:none;display:flex;flex-wrap:wrap;gap:.4rem .5rem}
.tags li{padding:.15rem .65rem;border:1px solid var(--line);border-radius:99px}
.foot p{margin:.2rem 0}
.related{padding:2.5rem 0 0}
.related h2,.contents h2{margin:0 0 1rem;color:var(--soft);font:600 .8rem/1.2 var(--sans);letter-spacing:.08em;text-transform:uppercase}
.related ul,.list ol{margin:0;padding:0;list-style:none}
.related li{padding:.8rem 0;border-top:1px solid var(--line)}
.related a{font-weight:700;text-decoration:none}
.related a:hover{text-decoration:underline}
.related p{margin:.2rem 0 0;color:var(--soft);font-size:1rem;line-height:1.5}
.contents{display:none;font:.9rem/1.4 var(--sans)}
.contents ol{margin:0;padding:0;list-style:none;border-left:1px solid var(--line)}
.contents li{padding:.3rem 0 .3rem .9rem}
.contents a{color:var(--soft);text-decoration:none}
.contents a:hover{color:var(--accent)}
.end{height:5rem}
@media (min-width:68rem){
.with-contents{display:grid;grid-template-columns:minmax(0,13rem) minmax(0,var(--measure)) minmax(0,13rem);justify-content:center;column-gap:2.5rem}
.with-contents>*{grid-column:2;width:100%}
.with-contents>.contents{display:block;grid-column:1;grid-row:2;position:sticky;top:2rem;align-self:start;padding-top:.6rem}
.with-contents>.body{grid-row:2}
}
.list>li,.list ol>li{padding:1.6rem 0;border-top:1px solid var(--line)}
.list h2{margin:0;font:700 1.45rem/1.25 var(--serif);letter-spacing:-.005em;text-wrap:balance}
.list h2 a{color:var(--ink);text-decoration:none}
.list h2 a:hover{color:var(--accent)}
.list p{margin:.5rem 0 0}
.list .byline{border:0;padding:0;margin:.6rem 0 0}
.older{margin:1rem 0 0;font:600 .95rem/1.5 var(--sans)}
@media (prefers-reduced-motion:reduce){html{scroll-behavior:auto}}
@media print{
:root{--paper:#fff;--ink:#000;--soft:#444;--line:#bbb;--tint:#fff;--accent:#000}
body{font-size:11pt;line-height:1.5}
.site,.contents,.related,.skip,.pull-quote{display:none}
.with-contents{display:block}
main,.head,.body,.foot{max-width:none;padding-inline:0}
.head{padding-top:0}
.body h2,.body h3{break-after:avoid}
.body p{orphans:3;widows:3}
.key-facts{border:1px solid var(--line);break-inside:avoid}
.sources a::after{content:" (" attr(href) ")";word-break:break-all}
}
`;

const HASH = createHash("sha256").update(ARTICLE_STYLE).digest("base64");

/** The `content-security-policy` of both pages: their one style sheet by its hash; no script, image, frame or form. */
export const ARTICLE_CSP = [
  "default-src 'none'",
  `style-src 'sha256-${HASH}'`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");
