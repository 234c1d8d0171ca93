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

const TAKES_PICTURES = process.env['SCREENSHOTS'] === 'true'

/** A suite that only takes pictures for the documents. It is skipped without SCREENSHOTS=true. */
export const describePictures = TAKES_PICTURES ? describeWithChromium : describe.skip

/** With SCREENSHOTS=true, updates a picture in the documents. */
export async function picture(page: Page, name: string, options: PageScreenshotOptions = {}): Promise<void> {
  if (!TAKES_PICTURES) return
  const path = fileURLToPath(new URL(`../../docs/images/${name}.png`, import.meta.url))
  await page.screenshot({ ...options, path })
}

interface TitledPicture {
  readonly title: string
  readonly png: Buffer
}

/** With SCREENSHOTS=true, updates a picture in the documents that shows these pictures next to each other. */
export async function sheetOf(browser: Browser, name: string, pictures: readonly TitledPicture[]): Promise<void> {
  const page = await browser.newPage()
  const figures = pictures.map(
    ({ title, png }) =>
      `<figure><figcaption>${title}</figcaption><img src="data:image/png;base64,${png.toString('base64')}"></figure>`,
  )
  await page.setContent(`<style>
    body { margin: 0; display: inline-flex; gap: 12px; padding: 12px; background: #8a94a0; font: 15px sans-serif; color: #000 }
    figure { margin: 0 } figcaption { padding-bottom: 6px }
  </style>${figures.join('')}`)
  await page.setViewportSize({ width: 12 + pictures.length * 332, height: 556 })
  await picture(page, name, { fullPage: true })
  await page.close()
}
