/** The entry of `npm run start:worker`. What it runs loads later, so that a stop is obeyed almost from the first moment. */
import '../src/processes/early-stop.ts'

await import('./run-worker.ts')
