import { fileURLToPath } from 'node:url'
import { describe } from '@jest/globals'
import { type Browser, chromium, type Page, type PageScreenshotOptions } from 'playwright-core'
import { isOnPath, pathOf } from './on-path.ts'

/** A suite that needs a real browser. It is skipped, with a message, if there is none. */
export const describeWithChromium = isOnPath('chromium') ? describe : describe.skip

/** Starts the Chromium of the machine, without a window. */
export function launchBrowser(): Promise<Browser> {
  const executablePath = pathOf('chromium')
  if (executablePath === undefined) throw new Error('there is no chromium')
  return chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-dev-shm-usage'] })
}

/** The errors of the page, including violations of the content security policy. */
export function complaintsOf(page: Page): string[] {
  const complaints: string[] = []
  page.on('pageerror', err => complaints.push(err.message))
  page.on('console', message => message.type() === 'error' && complaints.push(message.text()))
  return complaints
}

/** With SCREENSHOTS=true, updates a picture in the documents. */
export async function picture(page: Page, name: string, options: PageScreenshotOptions = {}): Promise<void> {
  if (process.env['SCREENSHOTS'] !== 'true') return
  const path = fileURLToPath(new URL(`../../docs/images/${name}.png`, import.meta.url))
  await page.screenshot({ ...options, path })
}
