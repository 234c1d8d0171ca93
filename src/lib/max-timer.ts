/** The longest time of a timer of Node.js, in ms; about 25 days. A longer one would end at once. */
export const MAX_TIMER_MS = 2 ** 31 - 1
