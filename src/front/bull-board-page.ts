/** Bull Board's page loads its fonts from another host; the content security policy would block them. */
const FOREIGN_FONTS = /<link href="https:\/\/fonts\.googleapis\.com\/[^>]*>/

const RETRY_ICON = '.lucide-refresh-cw'

/** Bull Board cannot be configured to offer only retries. Its class names end in a hash, so only their beginning is matched. */
const HIDDEN_ACTIONS = [
  // Of a job, and of all jobs in a list.
  `[class*="jobActions-"] > li:not(:has(${RETRY_ICON}))`,
  `[class*="queueActions-"] > li:not(:has(${RETRY_ICON}))`,
  // Of a queue: its menu and the settings in its details. The list of failed jobs retries all of them.
  '[class^="trigger-"]:has(.lucide-ellipsis-vertical)',
  '[class*="editButton-"]',
  // Of all queues.
  `[role="menuitem"]:not([aria-haspopup], [class*="subItem-"], :has(${RETRY_ICON}))`,
]

/** The version of Bull Board, which links to its releases. */
const FOREIGN_LINKS = ['[class*="appVersion-"]']

const STYLE = `<style>${[...HIDDEN_ACTIONS, ...FOREIGN_LINKS].join(',')}{display:none!important}</style>`

/** Hides what the service refuses, and removes what would load from other hosts. The style takes the place of the fonts' link. */
export function adaptBullBoardPage(html: string): string {
  return html.replace(FOREIGN_FONTS, STYLE)
}
