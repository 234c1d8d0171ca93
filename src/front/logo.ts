/** A bucket with tokens. Without fonts and links, so that a page shows it without another request. */
export const LOGO_SVG = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32" role="img" aria-label="Throttler">
<rect width="32" height="32" rx="7" fill="#1d6fb8"/>
<path d="M7 12h18l-2.4 14H9.4z" fill="none" stroke="#fff" stroke-width="2.4" stroke-linejoin="round"/>
<path d="M9.2 18h13.6l-1.2 7H10.4z" fill="#fff"/>
<circle cx="16" cy="7" r="2.6" fill="#ffb224"/>
</svg>
`

export const LOGO_URL = `data:image/svg+xml;base64,${Buffer.from(LOGO_SVG).toString('base64')}`
