import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { LOOPBACK, policyOf } from '../proxy/proxy-under-test.ts';
import { live, openPage, picture, startBrowser } from './browser.ts';
import { ask, startReverseProxy, startView, type ViewUnderTest } from './view-under-test.ts';

let browser: Browser;
let view: ViewUnderTest;
let below: Awaited<ReturnType<typeof startReverseProxy>>;
let base: string;
const upstream = createServer((_request, response) => response.end('x'.repeat(1500)));

before(async () => {
  browser = await startBrowser();
  upstream.listen(0, '127.0.0.1');
  await once(upstream, 'listening');
  const { port } = upstream.address() as AddressInfo;
  const ports = [{ from: port, to: port }];
  view = await startView({
    names: { 'db.corp.example': ['10.1.2.3'] },
    policy: policyOf([
      { domains: ['packages.example'], ports, cidrs: LOOPBACK },
      { domains: ['db.corp.example', 'api.github.example'], ports, methods: ['GET'] },
    ]),
  });
  below = await startReverseProxy(() => view.port, '/@alice/dev.main/apps/boundary');
  base = `http://127.0.0.1:${below.port}/@alice/dev.main/apps/boundary/`;

  const { proxy } = view;
  for (const name of ['left-pad', 'express', 'typescript']) {
    await ask(proxy, 'GET', `http://packages.example:${port}/${name}?token=SECRET`);
  }
  await ask(proxy, 'POST', `http://api.github.example:${port}/user/repos`, '{}');
  for (let n = 0; n < 3; n++) await ask(proxy, 'GET', 'http://telemetry.vendor.example/v1/collect');
  await ask(proxy, 'GET', `http://paste.example/raw/${'a-long-path-'.repeat(40)}`);
  await ask(proxy, 'GET', `http://db.corp.example:${port}/`);
  const findings = { docker_socket: true, port_forwarding: true, capabilities: false };
  await fetch(`http://127.0.0.1:${view.port}/v1/doctor`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ findings }),
  });
});
after(async () => {
  await browser.close();
  await below.close();
  await view.close();
  upstream.close();
  upstream.closeAllConnections();
});

/**
 * Texts whose contrast to what is behind them is below 4.5 to 1 (WCAG 2.2, 1.4.3), with the ratio.
 * What is behind a text is the next opaque background of an ancestor.
 */
function faintTexts(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const channels = (colour: string) => (colour.match(/[\d.]+/g) ?? []).map(Number);
    const luminance = (colour: string) => {
      const [r = 0, g = 0, b = 0] = channels(colour).map((channel) => {
        const value = channel / 255;
        return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
      });
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (element: Element): string => {
      for (let one: Element | null = element; one !== null; one = one.parentElement) {
        const { backgroundColor } = getComputedStyle(one);
        if ((channels(backgroundColor)[3] ?? 1) === 1) return backgroundColor;
      }
      return 'rgb(255, 255, 255)';
    };
    const faint: string[] = [];
    for (const element of document.body.querySelectorAll('*')) {
      const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent?.trim());
      if (!own || !element.checkVisibility()) continue;
      const [light = 0, dark = 0] = [getComputedStyle(element).color, behind(element)]
        .map(luminance)
        .sort((a, b) => b - a);
      const ratio = (light + 0.05) / (dark + 0.05);
      if (ratio < 4.5) faint.push(`${element.textContent?.trim().slice(0, 40)}: ${ratio.toFixed(2)}`);
    }
    return faint;
  });
}

/** Elements that reach over the right edge, or whose text does not fit them. */
function overflowing(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const width = document.documentElement.clientWidth;
    const wide = [...document.body.querySelectorAll('*')]
      .filter((element) => element.checkVisibility() && !element.matches('.unseen, .skip'))
      .filter((element) => element.getBoundingClientRect().right > width + 0.5)
      .map((element) => `${element.tagName} ${element.className} ${element.textContent?.slice(0, 30)}`);
    return document.documentElement.scrollWidth > width ? ['the page', ...wide] : wide;
  });
}

for (const colorScheme of ['light', 'dark'] as const) {
  for (const width of [360, 800, 1400]) {
    it(`can be read in ${colorScheme} colours at ${width} pixels`, async () => {
      const { page, faults, close } = await openPage(browser, base, {
        colorScheme,
        viewport: { width, height: 900 },
      });
      await live(page);
      await page.locator('#denied-list > li').nth(3).waitFor();
      assert.deepEqual(await overflowing(page), []);
      assert.deepEqual(await faintTexts(page), []);
      await picture(page, `page-${colorScheme}-${width}`);
      await page.locator('#decision-list [data-detail]:visible').first().click();
      await page.getByRole('dialog').waitFor();
      assert.deepEqual(await overflowing(page), []);
      assert.deepEqual(await faintTexts(page), []);
      await picture(page, `detail-${colorScheme}-${width}`, false);
      const background = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
      const [red = 0] = (background.match(/\d+/g) ?? []).map(Number);
      assert.equal(red > 128, colorScheme === 'light', background);
      assert.deepEqual(faults, []);
      await close();
    });
  }
}

describe('without scripts', () => {
  it('the page shows the state, the last decisions, what is denied most, and one request', async () => {
    const { page, faults, close } = await openPage(browser, base, { javaScriptEnabled: false });
    assert.equal(await page.getByRole('heading', { name: 'Enforcing' }).isVisible(), true);
    assert.match((await page.locator('#connection').textContent()) ?? '', /Reload for news/);
    assert.equal(await page.locator('#decision-list > li').count(), 9);
    assert.equal(await page.getByRole('button').count(), 0);
    const place = page.locator('#denied-list > li').first();
    assert.match((await place.textContent()) ?? '', /telemetry\.vendor\.example:80 3×/);

    await page.getByRole('link', { name: 'Denied', exact: true }).click();
    await page.waitForURL((url) => url.href.startsWith(`${base}?verdict=`));
    assert.equal(await page.locator('#decision-list > li:visible').count(), 6);

    await place.getByRole('link', { name: 'Why?' }).click();
    assert.match((await page.locator('#detail').textContent()) ?? '', /What would allow it/);
    await picture(page, 'no-scripts');
    await page.getByRole('link', { name: 'Close' }).click();
    await page.waitForURL(base);
    assert.deepEqual(faults, []);
    await close();
  });
});

describe('the list', () => {
  it('is narrowed in place, and after a reload', async () => {
    const { page, close } = await openPage(browser, base);
    await live(page);
    const shown = () => page.locator('#decision-list > li:visible .badge').allTextContents();
    await page.getByRole('link', { name: 'Allowed', exact: true }).click();
    assert.deepEqual(new Set(await shown()), new Set(['Allowed']));
    await page.getByRole('link', { name: 'Denied', exact: true }).click();
    assert.deepEqual(new Set(await shown()), new Set(['Denied']));
    await page.reload();
    await live(page);
    assert.deepEqual(new Set(await shown()), new Set(['Denied']));
    const current = page.locator('.filters [aria-current="true"]');
    assert.deepEqual(await current.allTextContents(), ['Denied']);
    await close();
  });
});

describe('for a screen reader', () => {
  it('there are landmarks and headings, and every control has a name', async () => {
    const { page, close } = await openPage(browser, base);
    await live(page);
    for (const role of ['banner', 'main', 'contentinfo', 'navigation'] as const) {
      assert.equal(await page.getByRole(role).count(), 1, role);
    }
    assert.deepEqual(await page.getByRole('heading', { level: 1 }).allTextContents(), ['boundary']);
    for (const name of [
      'Enforcing',
      'Counted since the start',
      'Last decisions',
      'Denied most',
      'What the workspace says of itself',
    ]) {
      assert.equal(await page.getByRole('region', { name, exact: true }).count(), 1, name);
    }
    const nameless = page.locator('button:not([aria-label]):empty, a:not([aria-label]):empty');
    assert.equal(await nameless.count(), 0);
    assert.equal(await page.locator('html').getAttribute('lang'), 'en');
    await page.keyboard.press('Tab');
    assert.equal(await page.locator(':focus').textContent(), 'Skip to the last decisions');
    await close();
  });

  it('denials are told a few at a time, and what had happened before is not', async () => {
    const { page, close } = await openPage(browser, 'about:blank');
    await page.clock.install();
    await page.goto(base);
    await live(page);
    await page.locator('#decision-list > li').first().waitFor();
    await page.clock.fastForward(12_000);
    assert.equal(await page.locator('#announcement').textContent(), '');
    const before = await page.locator('#decision-list > li').count();
    await ask(view.proxy, 'GET', 'http://told.example/1');
    await ask(view.proxy, 'GET', 'http://told.example/2');
    await page
      .locator('#decision-list > li')
      .nth(before + 1)
      .waitFor();
    assert.equal(await page.locator('#announcement').textContent(), '');
    await page.clock.fastForward(12_000);
    assert.equal(await page.locator('#announcement').textContent(), '2 requests were denied.');
    // The list itself is no live region: it would be read out without an end.
    assert.equal(await page.locator('[aria-live], [role="log"]').count(), 0);
    await close();
  });
});

describe('in a frame', () => {
  it('of the deployment it opens, of anybody else it does not', async () => {
    const outer = createServer((_request, response) => {
      response.setHeader('Content-Type', 'text/html');
      response.end(`<!doctype html><title>outer</title><iframe src="${base}"></iframe>`);
    }).listen(0, '127.0.0.1');
    await once(outer, 'listening');
    const origin = `http://127.0.0.1:${(outer.address() as AddressInfo).port}`;

    const refused = await openPage(browser, origin);
    assert.ok(refused.faults.some((fault) => fault.includes('frame-ancestors')));
    await refused.close();

    view.setState({ deployment: `${origin}/` });
    const allowed = await openPage(browser, origin);
    await allowed.page
      .frameLocator('iframe')
      .locator('#connection', { hasText: /^Live$/ })
      .waitFor();
    assert.deepEqual(allowed.faults, []);
    await allowed.close();
    outer.close();
    outer.closeAllConnections();
  });
});
