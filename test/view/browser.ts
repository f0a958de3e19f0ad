import { join } from 'node:path';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';

/** Debian's Chromium, headless, with an empty profile and without what it would ask the network for by itself. */
export function startBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}

/** A page, and everything that went wrong on it. */
export interface WatchedPage {
  readonly page: Page;
  /** What the console was told as an error or a warning, exceptions, and violations of the Content Security Policy. */
  readonly faults: string[];
  /** Every address that was asked for. */
  readonly asked: string[];
  close(): Promise<void>;
}

/** Opens a page of its own context. */
export async function openPage(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<WatchedPage> {
  const context = await browser.newContext({
    viewport: { width: 1400, height: 900 },
    locale: 'en-GB',
    timezoneId: 'UTC',
    ...options,
  });
  const page = await context.newPage();
  const faults: string[] = [];
  const asked: string[] = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) faults.push(message.text());
  });
  page.on('pageerror', (error) => faults.push(String(error)));
  page.on('request', (request) => asked.push(request.url()));
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) => {
      console.error(`violated ${event.violatedDirective}: ${event.blockedURI} ${event.sample}`);
    });
  });
  await page.goto(url);
  return { page, faults, asked, close: () => context.close() };
}

/** Resolves once the page says that it is connected. */
export async function live(page: Page): Promise<void> {
  await page.locator('#connection', { hasText: /^Live$/ }).waitFor();
}

/**
 * A picture for people, in the directory that BOUNDARY_SCREENSHOTS names; without it none is made.
 * @param fullPage false for what can be seen without scrolling
 */
export async function picture(page: Page, name: string, fullPage = true): Promise<void> {
  const directory = process.env.BOUNDARY_SCREENSHOTS;
  if (directory === undefined || directory === '') return;
  await page.screenshot({ path: join(directory, `${name}.png`), fullPage });
}
