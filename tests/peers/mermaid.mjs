// Draws every Mermaid block of a Markdown file with the real Mermaid in a browser, as GitHub does, and prints one line of
// JSON: for each block its kind, its texts as they are drawn, its size, and what went wrong.
// node mermaid.mjs FILE.md BROWSER [FOLDER-FOR-PNG [NAME]]
import { readFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const [file, browser, folder, name = 'picture'] = process.argv.slice(2);
const blocks = [...readFileSync(file, 'utf8').matchAll(/^```mermaid\n(.*?)^```$/gms)].map((found) => found[1]);
const home = mkdtempSync(join(tmpdir(), 'keyrotor-mermaid-'));
const context = await chromium.launchPersistentContext(home, {
    executablePath: browser,
    deviceScaleFactor: 2,
    args: [
        '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
        '--disable-background-networking', '--disable-component-update', '--disable-sync',
    ],
});
try {
    const page = await context.newPage();
    await page.setContent('<!doctype html><style>body{font-family:sans-serif;width:980px}</style><div id="at"></div>');
    const script = join(fileURLToPath(import.meta.url), '../node_modules/mermaid/dist/mermaid.min.js');
    await page.addScriptTag({ path: script });
    await page.evaluate(() => mermaid.initialize({ startOnLoad: false, securityLevel: 'strict' }));
    const drawn = [];
    for (const [nth, block] of blocks.entries()) {
        const one = await page.evaluate(async ([nth, block]) => {
            const at = document.getElementById('at');
            try {
                const { diagramType, svg } = await mermaid.render(`m${nth}`, block, at);
                at.innerHTML = svg;
                const drawing = at.querySelector('svg');
                const texts = [...drawing.querySelectorAll('text, .label, foreignObject')];
                const box = drawing.getBoundingClientRect();
                return {
                    kind: diagramType,
                    texts: texts.map((text) => text.textContent.trim()).filter((text) => text !== ''),
                    bars: drawing.querySelectorAll('rect.task, .plot rect').length,
                    width: box.width,
                    height: box.height,
                    bomb: drawing.querySelectorAll('.error-icon').length,
                };
            } catch (error) {
                return { error: String(error) };
            }
        }, [nth, block]);
        if (folder && !one.error) {
            const path = join(folder, blocks.length > 1 ? `${name}-${nth + 1}` : name);
            await page.locator('#at svg').screenshot({ path: `${path}.png` });
        }
        drawn.push(one);
    }
    console.log(JSON.stringify(drawn));
} finally {
    await context.close();
    rmSync(home, { recursive: true, force: true });
}
