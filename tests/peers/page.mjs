// Draws a Markdown file as GitHub shows it, and saves it as a picture: node page.mjs FILE.md BROWSER PICTURE.png [WIDTH]
import { readFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { marked } from 'marked';
import { chromium } from 'playwright-core';

const [file, browser, picture, width = '860'] = process.argv.slice(2);
const style = `
body { margin: 0; padding: 24px 32px; font: 16px/1.5 -apple-system, 'Segoe UI', 'Noto Sans', Helvetica, Arial, sans-serif;
    color: #1f2328; background: #fff; }
h1, h2 { border-bottom: 1px solid #d1d9e0b3; padding-bottom: .3em; margin: 24px 0 16px; line-height: 1.25; }
h2 { font-size: 1.5em; } h1 { font-size: 2em; }
a { color: #0969da; }
table { border-collapse: collapse; display: block; max-width: 100%; overflow: auto; margin: 0 0 16px; }
th, td { border: 1px solid #d1d9e0; padding: 6px 13px; } tr:nth-child(2n) { background: #f6f8fa; }
code { font: 85% ui-monospace, 'DejaVu Sans Mono', monospace; background: #818b981f; border-radius: 6px; padding: .2em .4em; }
pre { background: #f6f8fa; border-radius: 6px; padding: 16px; overflow: auto; line-height: 1.45; }
pre code { background: none; padding: 0; } img { max-width: 100%; } .mermaid { background: none; }`;
const body = marked.parse(readFileSync(file, 'utf8'), { gfm: true });
const base = pathToFileURL(resolve(dirname(file))).href;
const home = mkdtempSync(join(tmpdir(), 'keyrotor-page-'));
const page = join(home, 'page.html');
writeFileSync(page, `<!doctype html><meta charset="utf-8"><base href="${base}/"><style>${style}</style>${body}`);
const context = await chromium.launchPersistentContext(join(home, 'browser'), {
    executablePath: browser,
    viewport: { width: Number(width), height: 400 },
    deviceScaleFactor: 2,
    args: [
        '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--allow-file-access-from-files',
        '--disable-background-networking', '--disable-component-update', '--disable-sync',
    ],
});
try {
    const shown = await context.newPage();
    await shown.goto(pathToFileURL(page).href);
    if (await shown.locator('code.language-mermaid').count()) {
        await shown.addScriptTag({ path: join(fileURLToPath(import.meta.url), '../node_modules/mermaid/dist/mermaid.min.js') });
        await shown.evaluate(async () => {
            mermaid.initialize({ startOnLoad: false, securityLevel: 'strict' });
            await mermaid.run({ querySelector: 'code.language-mermaid' });
        });
    }
    await shown.screenshot({ path: picture, fullPage: true });
} finally {
    await context.close();
    rmSync(home, { recursive: true, force: true });
}
