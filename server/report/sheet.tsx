/** @jsxImportSource preact */
/** The HTML page that reports and cases are written on: it needs nothing else. */
import type { ComponentChildren, VNode } from "preact";
import { renderToStaticMarkup } from "preact-render-to-string";
import { HEAT_TEXT_STYLE } from "../../figures/heat_text.tsx";
import { validXml } from "../../figures/picture.tsx";
import { figureStyle } from "../../figures/style.ts";

const STYLE = `
:root{color-scheme:light dark;--ink:#14171c;--soft:#4a4f57;--paper:#fff;--line:#d9dce1;--note:#6a4b00;--note-paper:#fff7e0;--note-line:#ecd9a0}
@media (prefers-color-scheme:dark){:root{--ink:#e8eaed;--soft:#b3b8c0;--paper:#15181d;--line:#343a43;--note:#f1d48a;--note-paper:#2c2410;--note-line:#5d4d22}}
body{font:15px/1.5 system-ui,"DejaVu Sans",sans-serif;color:var(--ink);background:var(--paper);max-width:900px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem;margin:0;overflow-wrap:anywhere}h2{font-size:1.25rem;margin:2.2rem 0 .6rem;border-bottom:1px solid var(--line)}h3{font-size:1rem;margin:1.4rem 0 .4rem}
table{border-collapse:collapse;font-size:13px}th,td{padding:.25rem .7rem;text-align:left;border-bottom:1px solid var(--line);white-space:nowrap}
th{color:var(--soft);font-weight:600}.n{text-align:right;font-variant-numeric:tabular-nums}.wide{overflow-x:auto;margin:.5rem 0}
small,figcaption{color:var(--soft)}figure{margin:.5rem 0 1rem}figcaption{font-size:13px;overflow-wrap:anywhere}
svg{width:100%;height:auto}
.missing{color:var(--note);background:var(--note-paper);border:1px solid var(--note-line);padding:.5rem .8rem}code{font-size:.92em}.long{white-space:normal;overflow-wrap:anywhere}
td .long{display:inline-block;max-width:16em;text-align:left}
@page{margin:15mm}
@media print{:root{--ink:#000;--soft:#333;--paper:#fff;--line:#ccc}body{max-width:none;margin:0;padding:0;font-size:10pt}
figure,tr{break-inside:avoid}h2,h3{break-after:avoid}.wide{overflow:visible}table{font-size:8.5pt}th,td{padding:.15rem .4rem}thead{display:table-header-group}}
${figureStyle("page")}
${HEAT_TEXT_STYLE}`;

/** The text of a page. */
export function pageOf(sheet: VNode): string {
  return validXml(`<!doctype html>\n${renderToStaticMarkup(sheet)}\n`);
}

/** Its answer over HTTP; nothing in it needs a script, a frame or another host. */
export function pageResponse(page: string): Response {
  const policy = "default-src 'none'; style-src 'unsafe-inline'";
  return new Response(page, {
    headers: { "content-type": "text/html; charset=utf-8", "content-security-policy": policy },
  });
}

export function Sheet({ title, children }: { readonly title: string; readonly children: ComponentChildren }) {
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width" />
        <title>{title}</title>
        {/* Only ours: rules hold quotes, which text would not keep. */}
        <style dangerouslySetInnerHTML={{ __html: STYLE }} />
      </head>
      <body>{children}</body>
    </html>
  );
}

export function Section({ title, children }: { readonly title: string; readonly children: ComponentChildren }) {
  return (
    <section>
      <h2>{title}</h2>
      {children}
    </section>
  );
}
