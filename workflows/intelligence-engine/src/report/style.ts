/** Owns the one style sheet of reports: light, dark and on paper. */

export const REPORT_STYLE = `
:root{color-scheme:light dark;--paper:#fff;--ink:#1b1f24;--soft:#57606a;--line:#d8dee4;--tint:#f5f7f9;--accent:#1f5f8b;--good:#1a7f37;--bad:#b42318;
--sans:system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
@media (prefers-color-scheme:dark){:root{--paper:#14171a;--ink:#e6e9ec;--soft:#a3abb3;--line:#343a41;--tint:#1c2126;--accent:#7cc0ee;--good:#5fd07f;--bad:#ff9086}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:1rem/1.55 var(--sans)}
main{max-width:60rem;margin:auto;padding:2.5rem 1.25rem 4rem}
.kicker{margin:0 0 .6rem;color:var(--accent);font-weight:600;font-size:.8rem;letter-spacing:.08em;text-transform:uppercase}
h1{margin:0 0 .8rem;font-size:clamp(1.5rem,1.1rem + 1.8vw,2.2rem);line-height:1.2;letter-spacing:-.01em;text-wrap:balance;overflow-wrap:anywhere}
h2{margin:3rem 0 1rem;padding-top:1rem;border-top:1px solid var(--line);font-size:1.3rem;line-height:1.3}
h3{margin:1.8rem 0 .5rem;font-size:1.02rem}
p,li{overflow-wrap:anywhere}
.meta,.none,.note,figcaption{color:var(--soft);font-size:.9rem}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr));gap:.8rem;margin:1.6rem 0;padding:0;list-style:none}
.tiles li{padding:.9rem 1rem;background:var(--tint);border-radius:8px}
.tiles b{display:block;font-size:1.45rem;line-height:1.2;font-variant-numeric:tabular-nums}
.tiles span{display:block;color:var(--soft);font-size:.85rem}
.up,.yes{color:var(--good)}
.down,.no{color:var(--bad)}
.tiles .up{color:var(--good);font-weight:600}
.tiles .down{color:var(--bad);font-weight:600}
.short{padding-left:1.2rem}
.short li{margin:.35rem 0}
.next{padding-left:1.4rem}
.next li{margin:.8rem 0}
.next small{display:block;color:var(--soft);font-size:.88rem}
figure{margin:1rem 0}
.chart{display:block;width:100%;height:auto;max-width:100%}
.chart text{fill:var(--soft);font:12px var(--sans)}
.chart .day{text-anchor:middle}
.chart .y,.chart .name{text-anchor:end}
.chart .name,.chart .value:not(.y){fill:var(--ink);font-size:13px}
.axis line{stroke:var(--line);stroke-width:1}
.line{fill:none;stroke:var(--accent);stroke-width:2;stroke-linejoin:round}
.ahead{stroke-dasharray:5 4}
.band95{fill:var(--accent);opacity:.13}
.band80{fill:var(--accent);opacity:.2}
.bar{fill:var(--accent)}
.mark{stroke:var(--ink);stroke-width:2}
.scroll{overflow-x:auto}
table{width:100%;border-collapse:collapse;font-size:.92rem;font-variant-numeric:tabular-nums}
caption{padding:.3rem 0;color:var(--soft);font-size:.85rem;text-align:left}
th,td{padding:.45rem .7rem .45rem 0;border-bottom:1px solid var(--line);text-align:right;vertical-align:top}
th:first-child,td:first-child{text-align:left;overflow-wrap:anywhere}
thead th{color:var(--soft);font-weight:600;font-size:.82rem}
tbody th{font-weight:500}
details{margin:.6rem 0}
summary{cursor:pointer;color:var(--accent);font-size:.9rem}
:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
.found{margin:1.1rem 0}
.found b{display:block}
.found p{margin:.15rem 0 0;color:var(--soft);font-size:.93rem}
footer{margin-top:3rem;padding-top:1rem;border-top:1px solid var(--line);color:var(--soft);font-size:.85rem}
@media print{
:root{color-scheme:light;--paper:#fff;--ink:#000;--soft:#444;--line:#bbb;--tint:#f4f4f4;--accent:#1f5f8b;--good:#1a5e2b;--bad:#8f1d14}
body{font-size:10.5pt}
main{max-width:none;padding:0}
h2{break-after:avoid;margin-top:1.6rem}
h3{break-after:avoid}
figure,.tiles li,.found,tr,.next li{break-inside:avoid}
details{display:none}
.bar,.band80,.band95,.tiles li{-webkit-print-color-adjust:exact;print-color-adjust:exact}
}
`;
