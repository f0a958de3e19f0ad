import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { LOOPBACK, policyOf } from '../proxy/proxy-under-test.ts';
import { live, openPage, picture, startBrowser } from './browser.ts';
import { ask, startReverseProxy, startView, type ViewUnderTest } from './view-under-test.ts';

const prefix = '/@alice/dev.main/apps/boundary';
let browser: Browser;
let upstreamPort: number;
/** Answers that the upstream holds back, by path. */
const held = new Map<string, ServerResponse>();
const upstream = createServer((request, response) => {
  if (request.url?.startsWith('/held')) {
    held.set(request.url, response);
    upstream.emit('held');
  } else response.end('x'.repeat(1500));
});

before(async () => {
  browser = await startBrowser();
  upstream.listen(0, '127.0.0.1');
  await once(upstream, 'listening');
  upstreamPort = (upstream.address() as AddressInfo).port;
});
after(async () => {
  await browser.close();
  upstream.close();
  upstream.closeAllConnections();
});

let view: ViewUnderTest;
let below: Awaited<ReturnType<typeof startReverseProxy>>;
let base: string;
beforeEach(async () => {
  view = await startView({ policy: policy() });
  below = await startReverseProxy(() => view.port, prefix);
  base = `http://127.0.0.1:${below.port}${prefix}/`;
});
afterEach(async () => {
  await below.close();
  await view.close();
});

/** What the workspace may reach: one host, GET alone. */
function policy() {
  const ports = [{ from: upstreamPort, to: upstreamPort }];
  return policyOf([{ domains: ['ok.example'], ports, cidrs: LOOPBACK, methods: ['GET'] }]);
}

const ok = (path = '/') => `http://ok.example:${upstreamPort}${path}`;
const row = (page: Page, text: string) => page.locator('#decision-list > li', { hasText: text });

/** The newest id, as the API has it. */
async function newestId(): Promise<string> {
  const [newest] = view.recent.latest(1);
  assert.ok(newest);
  return newest.id;
}

for (const [where, address] of [
  ['below a path prefix that a reverse proxy strips', () => base],
  ['on a subdomain', () => ''],
] as const) {
  describe(`the view ${where}`, () => {
    it('shows what happens as it happens, asks nobody else, and breaks no rule of its own', async () => {
      const sub = where.includes('subdomain') ? await startReverseProxy(() => view.port, '') : null;
      const url = sub === null ? address() : `http://boundary--main--dev--alice.apps.localhost:${sub.port}/`;
      const { page, faults, asked, close } = await openPage(browser, url);
      await live(page);
      assert.equal(await page.locator('#status h2').textContent(), 'Enforcing');
      assert.equal(await page.locator('#decisions-empty').isVisible(), true);

      assert.equal(await ask(view.proxy, 'GET', ok('/first')), 200);
      await row(page, '/first').waitFor();
      assert.equal(await page.locator('#decisions-empty').isVisible(), false);
      assert.equal(await ask(view.proxy, 'GET', 'http://tracker.example/collect?key=SECRET'), 403);
      await row(page, 'http://tracker.example/collect?key=***').waitFor();
      await page.locator('#denied-list > li', { hasText: 'http://tracker.example:80' }).waitFor();
      await page.locator('[data-state="denied"]', { hasText: /^1$/ }).waitFor();
      await page.locator('[data-state="received"]', { hasText: 'KiB' }).waitFor();

      assert.deepEqual(faults, []);
      assert.ok(asked.length >= 6);
      assert.deepEqual(
        asked.filter((one) => !one.startsWith(url)),
        [],
      );
      assert.deepEqual([...below.outside, ...(sub?.outside ?? [])], []);
      assert.doesNotMatch(await page.content(), /SECRET/);
      await close();
      await sub?.close();
    });
  });
}

describe('what is live', () => {
  it('a request that is open says so, and its end is filled in', async () => {
    const { page, close } = await openPage(browser, base);
    await live(page);
    const answer = ask(view.proxy, 'GET', ok('/held'));
    await once(upstream, 'held');
    await row(page, '/held')
      .locator('.outcome', { hasText: /^open$/ })
      .waitFor();
    await page.locator('[data-state="open"]', { hasText: /^1$/ }).waitFor();
    held.get('/held')?.end('y'.repeat(2048));
    await answer;
    await row(page, '/held').locator('.outcome', { hasText: /^200$/ }).waitFor();
    assert.equal(await row(page, '/held').locator('.size').textContent(), '2.0 KiB');
    assert.equal(await row(page, '/held').count(), 1);
    await close();
  });

  it('a lost connection is said, comes back by itself, and what happened meanwhile is there', async () => {
    const { page, close } = await openPage(browser, base);
    await live(page);
    await ask(view.proxy, 'GET', ok('/before'));
    await row(page, '/before').waitFor();
    await view.stop();
    await page.locator('#connection[data-tone="bad"]', { hasText: 'Connection lost' }).waitFor();
    await picture(page, 'connection-lost');
    await ask(view.proxy, 'GET', ok('/meanwhile'));
    await view.start();
    await live(page);
    await row(page, '/meanwhile').waitFor();
    assert.equal(await row(page, '/before').count(), 1);
    await close();
  });

  it('a boundary that was started anew has forgotten, and so does the page', async () => {
    const { page, close } = await openPage(browser, base);
    await live(page);
    await ask(view.proxy, 'GET', ok('/old'));
    await row(page, '/old').waitFor();
    const old = view;
    view = await startView({ policy: policy() });
    await ask(view.proxy, 'GET', ok('/new'));
    await old.stop();
    await row(page, '/new').waitFor();
    await page.locator('#decision-list', { hasNotText: '/old' }).waitFor();
    assert.equal(await page.locator('#run').textContent(), view.recent.run);
    await close();
    await old.close();
  });

  it('the state changes in place: not ready, audit, another policy', async () => {
    const { page, faults, close } = await openPage(browser, base);
    await live(page);
    view.setState({
      readiness: { ready: false, reasons: ['the gate has not handed over its sockets'] },
      gateConnected: false,
      audit: { healthy: false, droppedLines: 3 },
    });
    await page.locator('#status[data-status="not-ready"] h2', { hasText: 'Not ready' }).waitFor();
    assert.match((await page.locator('#status').textContent()) ?? '', /not handed over its sockets/);
    assert.equal(await page.locator('[data-state="gate"]').textContent(), 'not connected');
    assert.equal(await page.locator('[data-state="audit"]').textContent(), 'cannot record, 3 lines lost');
    await picture(page, 'not-ready');
    view.setState({ readiness: { ready: true, reasons: [] } });
    view.use(policyOf([], { mode: 'audit', hash: 'abcdef0123456789' }));
    await page.locator('#status[data-status="audit"] h2', { hasText: 'Audit only' }).waitFor();
    assert.equal(await page.locator('#hash').textContent(), 'abcdef012345');
    await picture(page, 'audit');
    assert.deepEqual(faults, []);
    await close();
  });

  it('the list is bounded, whatever comes', async () => {
    const { page, close } = await openPage(browser, base);
    await live(page);
    const verdict = { protocol: 'http', method: 'GET', host: 'b.example', port: 80, address: null } as const;
    const ended = { status: 200, bytesIn: 0, bytesOut: 0, error: null };
    for (let n = 1; n <= 3000; n++) {
      const url = `http://b.example/${n}/`;
      const word = n % 3 === 0 ? 'deny' : 'allow';
      view.audit.open({ ...verdict, url, verdict: word, claimed: [], rule: null, reason: '' }).end(ended);
    }
    await row(page, 'http://b.example/3000/').waitFor();
    await row(page, 'http://b.example/2999/').waitFor();
    assert.equal(await page.locator('#decision-list > li').count(), 400);
    const first = await page.locator('#decision-list > li').first().getAttribute('data-id');
    assert.equal(first, await newestId());
    await close();
  });

  it('a paused list stands still and says how much is new', async () => {
    const { page, close } = await openPage(browser, base);
    await live(page);
    await page.getByRole('button', { name: 'Pause' }).click();
    await ask(view.proxy, 'GET', ok('/unseen'));
    const goOn = page.getByRole('button', { name: 'Go on (1 new)' });
    await goOn.waitFor();
    assert.equal(await goOn.getAttribute('aria-pressed'), 'true');
    assert.equal(await row(page, '/unseen').count(), 0);
    await goOn.click();
    await row(page, '/unseen').waitFor();
    await close();
  });
});

describe('text of the workspace', () => {
  it('is shown as text, wherever it stands', async () => {
    const markup = '"><img src=x onerror="window.pwned=1"><script>window.pwned=1</script>';
    const { page, faults, asked, close } = await openPage(browser, base);
    await live(page);
    const before = asked.length;
    // No parser of the proxy lets such a host through. What shows it does not rely on that.
    view.audit
      .open({
        protocol: 'http',
        method: `G${markup}`,
        url: `http://${markup}/${markup}?${markup}`,
        host: `${markup}\u202egnp.example`,
        port: 80,
        address: markup,
        claimed: [],
        verdict: 'deny',
        rule: null,
        reason: `${markup}\u0000\u202e`,
      })
      .end({ status: 403, bytesIn: 0, bytesOut: 0, error: markup });
    await row(page, 'onerror').waitFor();
    await page.locator('#denied-list > li', { hasText: 'onerror' }).waitFor();
    await row(page, 'onerror').getByRole('link', { name: 'Why?' }).click();
    await page.locator('#detail-body', { hasText: 'onerror' }).waitFor();
    for (const url of [base, `${base}?id=${await newestId()}`]) {
      await page.goto(url);
      await live(page);
      assert.equal(await page.locator('img').count(), 1);
      assert.equal(await page.locator('script').count(), 1);
      assert.equal(await page.evaluate(() => 'pwned' in window), false);
      assert.match((await page.locator('#denied').textContent()) ?? '', /\\u\{202e\}gnp\.example/);
      assert.doesNotMatch(await page.content(), /\u202e/);
    }
    assert.ok(asked.slice(before).every((one) => !one.endsWith('/x')));
    assert.deepEqual(faults, []);
    await close();
  });

  it('sent through the proxy, comes out the same way', async () => {
    const { page, faults, close } = await openPage(browser, base);
    await live(page);
    await ask(view.proxy, 'GET', 'http://evil.example/<svg/onload=pwned=1>');
    await row(page, 'onload').waitFor();
    assert.equal(await page.locator('svg').count(), 0);
    assert.deepEqual(faults, []);
    await close();
  });
});

describe('a denied request', () => {
  it('opens by keyboard, says what would allow it and whom to ask, and gives the focus back', async () => {
    await ask(view.proxy, 'POST', ok('/repos?token=SECRET'), '{}');
    const { page, faults, close } = await openPage(browser, base);
    await live(page);
    const why = row(page, '/repos').getByRole('link', { name: 'Why?' });
    await why.focus();
    await page.keyboard.press('Enter');
    const dialog = page.getByRole('dialog', { name: 'One request' });
    await dialog.waitFor();
    const text = (await dialog.textContent()) ?? '';
    assert.match(text, /No rule allows POST/);
    assert.match(text, /The people who keep the policy/);
    assert.ok(text.includes(await newestId()));
    assert.equal(
      await dialog.locator('[data-field="allow_rule"]').textContent(),
      `- { domain: ok.example, port: ${upstreamPort}, methods: [POST], path: "/repos" }`,
    );
    assert.doesNotMatch(text, /SECRET/);
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'hidden' });
    assert.equal(await why.evaluate((link) => link === document.activeElement), true);
    assert.deepEqual(faults, []);
    await close();
  });

  it('its rule is copied where the page may write to the clipboard, and selected where it may not', async () => {
    await ask(view.proxy, 'GET', 'http://tracker.example/x');
    const { page, close } = await openPage(browser, base, {
      permissions: ['clipboard-read', 'clipboard-write'],
    });
    await live(page);
    const place = page.locator('#denied-list > li').first();
    const rule = (await place.locator('code').textContent()) ?? '';
    assert.match(rule, /^- \{ domain: tracker\.example, /);
    await place.getByRole('button', { name: 'Copy' }).click();
    await place.getByRole('button', { name: 'Copied' }).waitFor();
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), rule);
    // Over plain HTTP there is no such thing.
    await page.evaluate(() => {
      Object.defineProperty(navigator, 'clipboard', { value: undefined });
      document.addEventListener('copy', (event) => event.preventDefault());
    });
    await place.getByRole('button', { name: 'Copy' }).click();
    await place.getByRole('button', { name: /Copied|Press Ctrl\+C/ }).waitFor();
    assert.equal(await page.evaluate(() => String(getSelection())), rule);
    await close();
  });

  it('that is not remembered any more says where it can be found', async () => {
    const { page, close } = await openPage(browser, `${base}?id=${view.recent.run}-999`);
    await page.getByText('The audit log has it under its id.').waitFor();
    await page.getByRole('link', { name: 'Close' }).click();
    await page.waitForURL(base);
    await close();
  });
});
