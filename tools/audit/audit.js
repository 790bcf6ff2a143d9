// Measures pages of the built site with Lighthouse, as a mobile phone would load them
// from a server that compresses. Fails if one has a fault; warns if one is slow, which
// may be the machine's own slowness.
//
//   node audit.js SITE [PAGE...]      without pages: all
import { createServer } from "node:http";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { extname, join, normalize } from "node:path";
import { gzipSync } from "node:zlib";
import { launch } from "chrome-launcher";
import lighthouse from "lighthouse";

// A busy machine lowers the performance: a page below the budget gets further tries.
const TRIES = 3;
const SPEED = ["performance", "lcp"];
// Scores; milliseconds until the largest content (simulated); the sum of shifts; bytes
// transferred before anybody touches the page.
const BUDGET = JSON.parse(readFileSync(new URL("budget.json", import.meta.url)));
const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css",
  ".js": "text/javascript",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".webp": "image/webp",
  ".gif": "image/gif",
  ".woff2": "font/woff2",
  ".txt": "text/plain",
  ".xml": "application/xml",
  ".wav": "audio/wav",
};

const [site, ...wanted] = process.argv.slice(2);
const pages = wanted.length
  ? wanted
  : readdirSync(site)
      .filter((name) => name.endsWith(".html") && name !== "404.html")
      .map((name) => name.slice(0, -5));

const server = createServer((request, response) => {
  const path = normalize(decodeURIComponent(new URL(request.url, "http://x").pathname));
  let content;
  try {
    content = readFileSync(join(site, path));
  } catch {
    response.writeHead(404).end();
    return;
  }
  const type = TYPES[extname(path)] ?? "application/octet-stream";
  const headers = { "content-type": type, "cache-control": "max-age=600" };
  if (/^(text|application)|svg/.test(type)) {
    headers["content-encoding"] = "gzip";
    content = gzipSync(content);
  }
  response.writeHead(200, headers).end(content);
});
await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
const address = `http://127.0.0.1:${server.address().port}/`;

const chrome = await launch({
  chromePath: process.env.DESCENT_CHROMIUM,
  chromeFlags: ["--headless=new", "--no-sandbox", "--disable-gpu"],
});

async function measure(page) {
  const result = await lighthouse(`${address}${page}.html`, {
    port: chrome.port,
    logLevel: "silent",
    onlyCategories: ["performance", "accessibility", "best-practices", "seo"],
  });
  const { audits, categories } = result.lhr;
  const found = Object.fromEntries(
    Object.entries(categories).map(([name, { score }]) => [name, Math.round(score * 100)]),
  );
  found.lcp = Math.round(audits["largest-contentful-paint"].numericValue);
  found.cls = audits["cumulative-layout-shift"].numericValue;
  found.tbt = Math.round(audits["total-blocking-time"].numericValue);
  found.bytes = audits["total-byte-weight"].numericValue;
  const weighed = Object.values(categories).flatMap(({ id, auditRefs }) =>
    id === "performance" ? [] : auditRefs.filter(({ weight }) => weight > 0),
  );
  found.failed = weighed
    .map(({ id }) => audits[id])
    .filter(({ score }) => score !== null && score < 1)
    .map(({ id, details }) => {
      const items = (details?.items ?? []).slice(0, 3);
      return [id, ...items.map((item) => item.node?.snippet ?? item.description ?? "")];
    });
  found.report = result.lhr;
  return found;
}

const exceeded = (found) =>
  Object.entries(BUDGET)
    .filter(([name, limit]) =>
      ["lcp", "cls", "bytes"].includes(name) ? found[name] > limit : found[name] < limit,
    )
    .map(([name]) => name);

const reports = process.env.DESCENT_ARTIFACTS;
if (reports) mkdirSync(reports, { recursive: true });
let [passed, slow, failures] = [0, 0, 0];
console.log("page             perf  a11y  best   seo    lcp    cls   tbt     kB");
for (const page of pages) {
  let found = await measure(page);
  for (let left = TRIES - 1; left && exceeded(found).length; left--) {
    const again = await measure(page);
    if (again.performance >= found.performance) found = again;
  }
  const over = exceeded(found);
  const numbers = [
    ["performance", 4],
    ["accessibility", 5],
    ["best-practices", 5],
    ["seo", 5],
    ["lcp", 6],
  ].map(([name, width]) => String(found[name]).padStart(width));
  console.log(
    page.padEnd(16),
    ...numbers,
    found.cls.toFixed(3).padStart(6),
    String(found.tbt).padStart(5),
    (found.bytes / 1000).toFixed(0).padStart(6),
    over.length ? ` over budget: ${over.join(", ")}` : "",
  );
  for (const [id, ...items] of found.failed) {
    console.log(`    ${id}`);
    for (const item of items) console.log(`        ${item.slice(0, 160)}`);
  }
  if (reports)
    writeFileSync(join(reports, `${page}.json`), JSON.stringify(found.report, null, 1));
  if (over.some((name) => !SPEED.includes(name))) failures++;
  else if (over.length) slow++;
  else passed++;
  // In a workflow a warning stands on the run's summary.
  if (over.length && process.env.GITHUB_ACTIONS)
    console.log(`::warning title=${page}::over budget: ${over.join(", ")}`);
}
console.log(`${passed} passed, ${slow} slow, ${failures} failed`);
await chrome.kill();
server.close();
process.exit(failures ? 1 : 0);
