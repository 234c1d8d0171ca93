/** The entry of `npm run start:api`. What it runs loads later, so that a stop is obeyed almost from the first moment. */
import './processes/early-stop.ts'

// There is nothing to replace yet.
process.on('SIGHUP', () => undefined)

await import('./processes/primary.ts')
